"""Errors of the management API's bodies and parameters are in our own words."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.api.request_faults import describe_request_fault
from gateway.api.schemas import FeedbackBody, InputsBody, LabelsBody, RequestSchema
from gateway.config import KeyTerms
from gateway.config.schema import TaskConfig
from tests.gateway.config.test_config_errors import LIBRARY_WORDS

LABEL = {"input": "x", "outcomes": {"m": 1}}


@pytest.mark.parametrize(
    ("schema", "body", "expected"),
    [
        (InputsBody, {}, "is required"),
        (InputsBody, {"inputs": []}, "must have at least 1 items"),
        (InputsBody, {"inputs": ["x"] * 1001}, "must have at most 1000 items"),
        (InputsBody, {"inputs": "x"}, "must be a list"),
        (InputsBody, {"inputs": ["x"], "more": 1}, "is unknown here"),
        (InputsBody, [], "must be an object"),
        (LabelsBody, {"labels": [{**LABEL, "outcomes": {"m": 2}}]}, "must be at most 1.0"),
        (LabelsBody, {"labels": [{**LABEL, "outcomes": {"m": -1}}]}, "must be at least 0.0"),
        (FeedbackBody, {"request_id": "", "score": 1}, "must have at least 1 characters"),
        (FeedbackBody, {"request_id": "x" * 129, "score": 1}, "must have at most 128 characters"),
        (FeedbackBody, {"request_id": "x", "score": "?"}, "must be a number"),
        (KeyTerms, {"name": 5}, "must be a text"),
        (KeyTerms, {"name": "x", "requests_per_minute": 0}, "must be above 0.0"),
        (KeyTerms, {"name": "x", "max_concurrent_requests": 1.5}, "must be an integer"),
        (KeyTerms, {"name": "x", "expires_at": "x"}, "expected a time, for instance 2027-01-31T00:00:00Z, or a date"),
        (TaskConfig, {"shadow": "x"}, "must be true or false"),
        (TaskConfig, {"score": "x"}, "must be 'recommended', 's1', 's2', 's3' or 'auto'"),
        (TaskConfig, {"objective": 1}, "must be an object"),
    ],
)
def test_each_kind_of_fault_has_its_own_words(schema: type[RequestSchema], body: Any, expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        schema.model_validate(body)
    message = describe_request_fault(caught.value.errors()[0])
    assert message == expected
    assert not LIBRARY_WORDS.search(message)

"""Laws of paths: every spelling of a client's endpoint is found, and no spelling of another one is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.paths import CLIENT_PATHS, canonical_path

slashes = st.integers(1, 4).map(lambda count: "/" * count)
paths = st.sampled_from(sorted(CLIENT_PATHS))
management = st.sampled_from(["/v1/keys", "/v1/config", "/v1/backends", "/v1/tasks", "/v1/usage", "/metrics", "/ui"])


@given(path=paths, between=slashes, end=st.sampled_from(["", "/", "//"]), is_doubled=st.booleans())
def test_every_spelling_of_a_clients_endpoint_is_found(path: str, between: str, end: str, is_doubled: bool) -> None:
    doubled = f"/v1{path}" if is_doubled and path.startswith("/v1/") else path
    assert canonical_path(doubled.replace("/", between) + end) == path


@given(path=paths.filter(lambda path: path.startswith("/v1/")))
def test_a_missing_version_is_added(path: str) -> None:
    assert canonical_path(path.removeprefix("/v1")) == path


@given(path=management, between=slashes, end=st.sampled_from(["", "/"]))
def test_the_management_api_has_one_spelling(path: str, between: str, end: str) -> None:
    spelled = path.replace("/", between) + end
    assert canonical_path(spelled) == spelled
    assert canonical_path(path.removeprefix("/v1")) == path.removeprefix("/v1")


@given(st.text(st.sampled_from("/v1chat.completions-models%"), max_size=30))
def test_a_path_that_was_found_stays_what_it_is(path: str) -> None:
    found = canonical_path(path)
    assert canonical_path(found) == found


@pytest.mark.parametrize(
    ("path", "found"),
    [("/models/meta/llama", "/v1/models/meta/llama"), ("/v1/models/a/", "/v1/models/a"), ("/modelsx", "/modelsx")],
)
def test_a_models_name_may_have_slashes(path: str, found: str) -> None:
    assert canonical_path(path) == found

import pytest

from gateway.config import Config, parse_config
from gateway.errors import ConfigError
from gateway.policy import policies, strangers
from routing.manifest import EmbedderId, Manifest, PackModel
from tests.gateway.serving import configuration

MANIFEST = Manifest(
    name="m",
    n_inputs=0,
    embedder=EmbedderId("e", "", 3),
    datasets=(),
    models=(PackModel("a", 0.2, params_b=7), PackModel("b", 0.9, params_b=70), PackModel("c", 0.5)),
    on_average=("b", "c", "a"),
    routing={},
    calibration={},
    files={},
)


def config(**sections: object) -> Config:
    return parse_config(configuration("http://x/v1", ["a", "b", "c", "new"], **sections), "config.yaml", {})


def test_a_task_starts_with_the_best_model_on_average() -> None:
    policy = policies(config(), MANIFEST).of("anything")
    assert policy.ranking == ("b", "c", "a", "new")
    assert policy.reason == "cold-start"


def test_without_a_pack_it_starts_with_the_first_configured_model() -> None:
    policy = policies(config(), None).of("anything")
    assert policy.ranking == ("a", "b", "c", "new")
    assert policy.reason == "router-unavailable"


def test_candidates_and_size_limit_the_choice() -> None:
    made = policies(config(tasks={"t": {"candidates": ["a", "c"]}, "s": {"max_params_b": 10}}), MANIFEST)
    assert made.of("t").ranking == ("c", "a")
    assert made.of("s").ranking == ("a",)


def test_a_model_of_unknown_size_fits_no_limit() -> None:
    with pytest.raises(ConfigError, match=r"tasks\.s.*small enough"):
        policies(config(tasks={"s": {"candidates": ["c", "new"], "max_params_b": 1000}}), MANIFEST)


def test_a_pin_comes_first_and_the_rest_stays_for_failures() -> None:
    policy = policies(config(tasks={"t": {"pin": "a"}}), MANIFEST).of("t")
    assert policy.ranking == ("a", "b", "c", "new")
    assert policy.reason == "pinned"


def test_models_that_the_pack_does_not_know_are_named() -> None:
    assert strangers(config(), MANIFEST) == ["new"]

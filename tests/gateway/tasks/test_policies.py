from dataclasses import replace

import pytest

from gateway.config import Config, parse_config
from gateway.errors import ConfigError
from gateway.tasks.decision_table import Policy
from gateway.tasks.policies import build_policies, models_not_in_pack, unknown_datasets
from routing.manifest import EmbedderId, Manifest, PackDataset, PackModel
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
    policy = build_policies(config(), MANIFEST).policy_of("anything")
    assert policy.ranking == ("b", "c", "a", "new")
    assert policy.reason == "cold-start"


def test_without_a_pack_it_starts_with_the_first_configured_model() -> None:
    policy = build_policies(config(), None).policy_of("anything")
    assert policy.ranking == ("a", "b", "c", "new")
    assert policy.reason == "no-pack"


def test_candidates_and_size_limit_the_choice() -> None:
    made = build_policies(config(tasks={"t": {"candidates": ["a", "c"]}, "s": {"max_params_b": 10}}), MANIFEST)
    assert made.policy_of("t").ranking == ("c", "a")
    assert made.policy_of("s").ranking == ("a",)


def test_a_model_of_unknown_size_fits_no_limit() -> None:
    with pytest.raises(ConfigError, match=r"tasks\.s.*no candidate fits the limits"):
        build_policies(config(tasks={"s": {"candidates": ["c", "new"], "max_params_b": 1000}}), MANIFEST)


def test_a_pin_comes_first_and_the_rest_stays_for_failures() -> None:
    policy = build_policies(config(tasks={"t": {"pin": "a"}}), MANIFEST).policy_of("t")
    assert policy.ranking == ("a", "b", "c", "new")
    assert policy.reason == "pinned"


def test_models_that_the_pack_does_not_know_are_named() -> None:
    assert models_not_in_pack(config(), MANIFEST) == ["new"]


def priced(**task: object) -> Policy:
    text = configuration("http://x/v1", ["a", "b", "c"], tasks={"t": task})
    for name, price in (("a", "1"), ("b", "5")):
        told = f"- name: {name}\n  price: {{input_usd_per_mtok: {price}, output_usd_per_mtok: {price}}}\n"
        text = text.replace(f"  name: {name}\n", "").replace("- backends:", f"{told}  backends:", 1)
    return build_policies(parse_config(text, "config.yaml", {}), MANIFEST).policy_of("t")


def test_a_price_limits_the_choice_and_an_unknown_one_fits_no_limit() -> None:
    assert priced(max_input_usd_per_mtok=5).ranking == ("b", "a")
    assert priced(max_input_usd_per_mtok=5, max_output_usd_per_mtok="4.99").ranking == ("a",)
    assert priced().ranking == ("b", "c", "a")
    with pytest.raises(ConfigError, match=r"tasks\.t.*no candidate fits the limits"):
        priced(max_output_usd_per_mtok=0.5)


def test_fallbacks_order_what_comes_after_the_first() -> None:
    assert build_policies(config(tasks={"t": {"fallbacks": ["new", "a"]}}), MANIFEST).policy_of("t").ranking == (
        "b",
        "new",
        "a",
        "c",
    )
    pinned = build_policies(config(tasks={"t": {"pin": "c", "fallbacks": ["a"]}}), MANIFEST).policy_of("t")
    assert pinned.ranking == ("c", "a", "b", "new")


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"input": "last"}, r"tasks\.t\.input.*expected last_user"),
        ({"input": "$.messages["}, r"tasks\.t\.input.*invalid JSONPath"),
        ({"fallbacks": ["a", "z"]}, r"tasks\.t\.fallbacks\[1\].*unknown model 'z'"),
        ({"score": "s4"}, r"tasks\.t\.score"),
        ({"dataset": ""}, r"tasks\.t\.dataset"),
        ({"dataset": 7}, r"tasks\.t\.dataset"),
        ({"cache": {"ttl_s": 0}}, r"tasks\.t\.cache\.ttl_s"),
    ],
)
def test_what_a_task_cannot_say_is_refused(section: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        config(tasks={"t": section})


def test_an_objective_is_the_tasks_else_the_routings() -> None:
    tasks = {
        "own": {"objective": {"price": 0.5}},
        "free": {"objective": {}},
        "bound": {"max_regret": 0.1, "score": "auto"},
    }
    made = build_policies(config(routing={"objective": {"quality": 2, "price": 0.1}}, tasks=tasks), MANIFEST)
    assert made.policy_of("any").objective == (2, 0.1)
    assert made.policy_of("any").costs == {"a": 7, "b": 70}, "sizes, where no price is known"
    assert made.policy_of("own").objective == (1, 0.5)
    assert (made.policy_of("free").objective, made.policy_of("free").costs) == (None, {})
    assert (made.policy_of("bound").objective, made.policy_of("bound").max_regret) == (None, 0.1)


def test_an_objective_beside_a_regret_is_an_error() -> None:
    task = {"max_regret": 0.1, "score": "auto", "objective": {"price": 1}}
    with pytest.raises(ConfigError, match=r"tasks\.t\.objective.*only one of them"):
        build_policies(config(tasks={"t": task}), MANIFEST)


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ({"max_regret": 0.1, "score": "s3"}, r"tasks\.t\.max_regret.*`score: auto` or `recommended`"),
        ({"dataset": "sums", "score": "s3"}, r"tasks\.t\.dataset.*conflicts with `score: s3`"),
        ({"dataset": "sums", "score": "s1"}, r"tasks\.t\.dataset.*conflicts with `score: s1`"),
    ],
)
def test_a_score_that_cannot_do_what_a_task_asks_is_an_error(task: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build_policies(config(tasks={"t": task}), MANIFEST)


@pytest.mark.parametrize("score", ["recommended", "auto", None])
def test_the_scores_that_can_are_accepted(score: str | None) -> None:
    task = {"max_regret": 0.1, "dataset": "sums", **({} if score is None else {"score": score})}
    made = build_policies(config(tasks={"t": task}, routing={"score": "s3"}), MANIFEST).policy_of("t")
    assert (made.score, made.dataset, made.max_regret) == (score, "sums", 0.1)


def test_a_dataset_that_the_pack_does_not_have_is_named_and_nothing_fails() -> None:
    told = config(tasks={"t": {"dataset": "smus"}, "other": {}})
    assert build_policies(told, MANIFEST).policy_of("t").dataset == "smus"
    faults = unknown_datasets(told, replace(MANIFEST, datasets=(PackDataset("sums", 3), PackDataset("rivers", 3))))
    assert list(faults) == ["t"]
    assert "tasks.t.dataset has no effect" in faults["t"]
    assert "similar: sums" in faults["t"]
    assert unknown_datasets(told, None) == {}


def test_prices_of_both_directions_go_with_what_is_given_for_a_cheaper_model() -> None:
    made = priced(objective={"price": 0.1})
    assert made.prices == {"a": (1, 1), "b": (5, 5)}
    assert made.costs == {"a": 1, "b": 5}
    assert not priced().prices

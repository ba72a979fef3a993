"""Decisions over policies: where requests go, and how many."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.decision import Decision
from gateway.tasks.decision_table import DecisionTable, Policies, Policy

PLAIN = Policy(("a", "b", "c"), ("b", "a", "c"), "cold-start")
PINNED = Policy(("a", "b"), ("a", "b"), "pinned", pin=True)


def table(works: bool = True, max_tasks: int = 100) -> DecisionTable:
    return DecisionTable(Policies(PLAIN, {"pinned": PINNED}), lambda: works, max_tasks)


def choice(model: str = "c", version: int = 1, n: int = 5, task: str = "t") -> Decision:
    return Decision(task, version, n, model, "score", (model, *(name for name in "abc" if name != model)))


def test_a_task_without_a_decision_starts_cold() -> None:
    route = table().route_task("t")
    assert (route.ranking, route.reason, route.version) == (("b", "a", "c"), "cold-start", 0)


def test_a_decision_is_followed() -> None:
    decided = table()
    decided.apply_decision(choice())
    assert (decided.route_task("t").ranking, decided.route_task("t").version) == (("c", "a", "b"), 1)
    assert decided.route_task("other").version == 0


def test_an_older_word_of_the_same_decision_changes_nothing() -> None:
    decided = table()
    decided.apply_decision(choice("a", 2, 10))
    decided.apply_decision(choice("c", 1, 9))
    assert decided.route_task("t").ranking[0] == "a"


def test_a_forgotten_task_starts_cold() -> None:
    decided = table()
    decided.apply_decision(choice())
    decided.forget_task("t")
    assert decided.route_task("t").reason == "cold-start"
    decided.apply_decision(choice("a", 1, 1))
    assert decided.route_task("t").ranking[0] == "a"


def test_a_pin_beats_a_decision() -> None:
    decided = table()
    decided.apply_decision(Decision("pinned", 1, 1, "b", "score", ("b", "a")))
    assert (decided.route_task("pinned").ranking[0], decided.route_task("pinned").reason) == ("a", "pinned")


def test_while_the_router_is_down_the_last_decision_holds_and_says_so() -> None:
    down = table(works=False)
    down.apply_decision(choice())
    assert (down.route_task("t").ranking[0], down.route_task("t").reason) == ("c", "router-unavailable")
    assert (down.route_task("new").ranking[0], down.route_task("new").reason) == ("b", "router-unavailable")
    assert down.route_task("pinned").reason == "pinned"


def test_a_model_that_is_no_candidate_any_more_is_not_followed() -> None:
    decided = table()
    decided.apply_decision(choice("c"))
    apply_policies(decided, Policies(Policy(("a", "b"), ("b", "a"), "cold-start"), {}))
    assert decided.route_task("t").ranking == ("b", "a")
    decided.apply_decision(choice("a", 2))
    assert decided.route_task("t").ranking == ("a", "b")


def apply_policies(decided: DecisionTable, policies: Policies) -> None:
    decided.set_policies(decided.plan_policies(policies))


TASKS = ("t", "u", "v", "w")
POLICIES = st.builds(
    Policies,
    st.sampled_from(
        [
            Policy(("a", "b", "c"), ("a", "b", "c"), "cold-start"),
            Policy(("b", "a"), ("b", "a"), "cold-start"),
            Policy(("a", "b"), ("a", "b"), "cold-start", exploration=0.5),
        ]
    ),
    st.dictionaries(
        st.sampled_from(TASKS),
        st.sampled_from(
            [
                Policy(("c",), ("c",), "cold-start"),
                Policy(("a", "b"), ("a", "b"), "pinned", pin=True),
                Policy(("a", "c"), ("a", "c"), "cold-start", shadow=True, fallbacks=("a",)),
                Policy(("b", "a"), ("b", "a"), "cold-start", keep_texts=True),
            ]
        ),
    ),
)
CHANGES = st.one_of(
    st.tuples(st.just("decide"), st.sampled_from(TASKS), st.sampled_from("abc")),
    st.tuples(st.just("forget"), st.sampled_from(TASKS)),
    st.tuples(st.just("ask"), st.sampled_from(TASKS)),
    st.tuples(st.just("settle")),
    st.tuples(st.just("policies"), POLICIES),
)


@given(st.lists(CHANGES, max_size=12))
def test_policies_hold_at_once_and_counts_once_they_are_settled(changes: list[tuple[Any, ...]]) -> None:
    """As in a table that was made with these policies: whatever was decided, asked and settled between changes."""
    first = Policies(Policy(("a", "b", "c"), ("a", "b", "c"), "cold-start"), {})
    decided, now, known = DecisionTable(first, lambda: True), first, dict[str, Decision]()
    for number, (kind, *values) in enumerate(changes, 1):
        if kind == "decide":
            known[values[0]] = choice(values[1], number, task=values[0])
            decided.apply_decision(known[values[0]])
        elif kind == "forget":
            known.pop(values[0], None)
            decided.forget_task(values[0])
        elif kind == "ask":
            decided.route_task(values[0])
        elif kind == "settle":
            asyncio.run(decided.settle())
        else:
            now = values[0]
            apply_policies(decided, now)
    fresh = DecisionTable(now, lambda: True)
    for decision in known.values():
        fresh.apply_decision(decision)
    asyncio.run(decided.settle())
    assert asyncio.run(decided.count_routes()) == asyncio.run(fresh.count_routes())
    assert [decided.route_task(task) for task in TASKS] == [fresh.route_task(task) for task in TASKS]


@given(st.lists(POLICIES, min_size=1, max_size=3), st.dictionaries(st.sampled_from(TASKS), st.sampled_from("abc")))
def test_a_request_follows_policies_that_are_not_settled(changes: list[Policies], models: dict[str, str]) -> None:
    first = Policies(Policy(("a", "b", "c"), ("a", "b", "c"), "cold-start"), {})
    decided, fresh = DecisionTable(first, lambda: True), DecisionTable(changes[-1], lambda: True)
    for task, model in models.items():
        decided.apply_decision(choice(model, task=task))
        fresh.apply_decision(choice(model, task=task))
    for policies in changes:
        apply_policies(decided, policies)
    assert [decided.route_task(task) for task in TASKS] == [fresh.route_task(task) for task in TASKS]


def test_the_table_is_bounded_and_the_least_recent_decision_goes_first() -> None:
    decided = table(max_tasks=2)
    for task in ("x", "y", "x", "z"):
        decided.apply_decision(choice(n=1 if task != "x" else 2, task=task))
    assert [decided.route_task(task).version for task in ("x", "y", "z")] == [1, 0, 1]


def test_in_the_shadow_requests_go_where_they_would_and_the_evidence_is_told() -> None:
    shadow = Policy(("a", "b", "c"), ("b", "a", "c"), "cold-start", shadow=True)
    decided = DecisionTable(Policies(shadow, {}), lambda: True)
    assert decided.route_task("t").shadow_model == "b"
    decided.apply_decision(choice())
    route = decided.route_task("t")
    assert (route.ranking, route.reason, route.version, route.shadow_model) == (("b", "a", "c"), "shadow", 1, "c")


def test_a_pinned_task_in_the_shadow_is_told_of_too() -> None:
    shadow = Policy(("a", "b", "c"), ("a", "b", "c"), "pinned", pin=True, shadow=True)
    decided = DecisionTable(Policies(shadow, {}), lambda: True)
    decided.apply_decision(choice())
    assert (decided.route_task("t").ranking[0], decided.route_task("t").shadow_model) == ("a", "c")


def test_fallbacks_come_after_the_chosen_model_in_their_own_order() -> None:
    policy = Policy(("a", "b", "c", "d"), ("b", "d", "a", "c"), "cold-start", fallbacks=("d", "a"))
    decided = DecisionTable(Policies(policy, {}), lambda: True)
    decided.apply_decision(choice())
    assert decided.route_task("t").ranking == ("c", "d", "a", "b")


@given(POLICIES, st.permutations("abc"), st.integers(1, 3))
def test_a_route_is_the_decision_then_the_policy_without_what_is_no_candidate(
    policies: Policies, ranking: list[str], count: int
) -> None:
    table, order = DecisionTable(policies, lambda: True), tuple(ranking[:count])
    for task in TASKS:
        table.apply_decision(Decision(task, 1, 1, order[0], "score", order, 1.5))
        policy = policies.policy_of(task)
        first = (order[0], *policy.fallbacks) if policy.fallbacks else order
        names = dict.fromkeys(one for one in (*first, *order, *policy.ranking) if one in policy.candidates)
        is_used = order[0] in policy.candidates and not policy.pin and not policy.shadow
        assert not is_used or table.route_task(task).ranking == tuple(names)

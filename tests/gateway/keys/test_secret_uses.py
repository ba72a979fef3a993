"""Last uses of secrets are stored a minute apart, whichever secrets are looked at for it."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.secret_uses import RESOLUTION_S, SecretUses

SECRETS = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.just("use"), SECRETS),
    st.tuples(st.just("forget"), SECRETS),
    st.tuples(st.just("pass"), st.integers(0, 90)),
    st.tuples(st.sampled_from(["drain", "fail", "end"]), st.none()),
)


class AllLookedAt:
    """The rule, by a look at all secrets."""

    def __init__(self) -> None:
        self.used, self.stored = dict[str, float](), dict[str, float]()

    def drain(self, now_all: bool) -> dict[str, float]:
        least_s, never = 0.0 if now_all else RESOLUTION_S, float("-inf")
        found = {
            one: at
            for one, at in self.used.items()
            if at > (before := self.stored.get(one, never)) and at - before >= least_s
        }
        self.stored |= found
        return found


@given(st.lists(STEPS, max_size=40))
def test_a_use_is_stored_once_a_minute_has_passed(steps: list[tuple[str, str | int | None]]) -> None:
    now, rule = [0.0], AllLookedAt()
    uses = SecretUses(lambda: now[0])
    for kind, value in steps:
        if kind == "pass":
            now[0] += float(value or 0)
        elif kind == "use":
            uses.observe_requests([str(value), None])
            rule.used[str(value)] = now[0]
        elif kind == "forget":
            uses.forget([str(value)])
            rule.used.pop(str(value), None), rule.stored.pop(str(value), None)
        else:
            drained = uses.drain_unsaved(is_final=kind == "end")
            assert dict(drained) == rule.drain(kind == "end")
            if kind == "fail":
                uses.restore_unsaved(drained)
                for one in drained:
                    rule.stored.pop(one, None)

"""A gateway's numbers against a small model of what scripts.ADD does, through losses of either side."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.distributed.producer import ADDED, GAP, OTHER_EPOCH, DeliveryCounts, ShardProducer
from gateway.scorer.messages import BatchCounts


@dataclass
class Redis:
    """A shard as scripts.ADD sees it. added: tasks' names, in order."""

    epoch: int = 1
    last: int = 0
    done: int = 0
    stream: list[str] = field(default_factory=list)
    lost: int = 0

    def add(self, sending: ShardProducer, answer_comes: bool) -> None:
        waiting = sending.unsent_entries(3)
        if not waiting:
            return
        if sending.epoch != str(self.epoch):
            code = OTHER_EPOCH
        elif waiting[0].number > self.last + 1 and not sending.gap_is_meant:
            code = GAP
        else:
            code = ADDED
            self.stream += [one.task for one in waiting if one.number > self.last]
            self.last = max(self.last, waiting[-1].number)
        if answer_comes:
            sending.on_add_reply(code, str(self.epoch), self.last)

    def score(self) -> None:
        self.done = self.last

    def come_back_empty(self) -> None:
        self.epoch, self.last, self.done, self.stream = self.epoch + 1, 0, 0, []


STEPS = st.lists(st.sampled_from(["push", "add", "add, answer lost", "score", "settle", "empty"]), max_size=60)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_everything_is_added_once_and_in_order_whatever_is_lost(steps: list[str]) -> None:
    sending, redis, pushed = ShardProducer(), Redis(), 0
    for step in [*steps, "settle", *["add"] * 60, "score", "settle"]:
        if step == "push":
            sending.push_observation(str(pushed), b"")
            pushed += 1
        elif step in ("add", "add, answer lost"):
            redis.add(sending, answer_comes=step == "add")
        elif step == "score":
            redis.score()
        elif step == "settle" and sending.epoch == str(redis.epoch):
            sending.on_ack(redis.done, DeliveryCounts(BatchCounts(redis.done)))
        elif step == "settle":
            sending.on_add_reply(OTHER_EPOCH, str(redis.epoch), 0)
        elif step == "empty":
            redis.come_back_empty()
    places = [int(task) for task in redis.stream]
    assert places == sorted(set(places))
    assert sending.delivery_counts.scored.observed == pushed
    assert not sending.unacked


def test_what_redis_has_lost_of_its_last_second_is_sent_again() -> None:
    sending, redis = ShardProducer(), Redis()
    for place in range(6):
        sending.push_observation(str(place), b"")
    for _ in range(3):
        redis.add(sending, answer_comes=True)
    redis.last, redis.stream = 2, ["0", "1"]
    sending.push_observation("6", b"")
    for _ in range(4):
        redis.add(sending, answer_comes=True)
    assert redis.stream == [str(place) for place in range(7)]


def test_what_is_no_longer_kept_and_lost_with_redis_is_counted() -> None:
    sending, redis = ShardProducer(), Redis()
    for place in range(6):
        sending.push_observation(str(place), b"")
    for _ in range(3):
        redis.add(sending, answer_comes=True)
    sending.trim_acked(2)
    redis.come_back_empty()
    sending.push_observation("6", b"")
    for _ in range(3):
        redis.add(sending, answer_comes=True)
    assert redis.stream == ["4", "5", "6"]
    assert sending.delivery_counts == DeliveryCounts(dropped=4)

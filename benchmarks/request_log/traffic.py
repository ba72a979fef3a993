"""Made-up requests of a busy gateway: 300 tasks, 40 models, 20 keys, 3 % errors; spread over the last 14 days."""

import random
from collections.abc import Iterator
from decimal import Decimal

from gateway.request_log.entry import TIME_BITS, Row

DAYS = 14
TASKS, MODELS, KEYS = 300, 40, 20
STATUSES = (200,) * 97 + (429, 499, 502)
REASONS = ("score",) * 8 + ("session", "cold-start")
CLIENT_IDS = 0.1
US = 1_000_000


def make_traffic(count: int, until_us: int, seed: int = 1) -> Iterator[Row]:
    """Yield requests, oldest first."""
    draw, step = random.Random(seed), DAYS * 86_400 * US // count
    for place in range(count):
        yield _make_row(draw, until_us - (count - place) * step)


def task_name(number: int) -> str:
    """Return the name of a task: 0 is the busiest."""
    return f"team-{number % KEYS}/task-{number}"


def model_name(number: int) -> str:
    """Return the name of a model."""
    return f"provider-{number % 5}/model-{number}"


def _make_row(draw: random.Random, at_us: int) -> Row:
    model, status = model_name(draw.randrange(MODELS)), draw.choice(STATUSES)
    latency_ms = draw.lognormvariate(6.8, 0.9)
    first_token_ms = latency_ms * draw.uniform(0.1, 0.6)
    task = int(draw.paretovariate(0.6)) % TASKS
    return Row(
        number=at_us << TIME_BITS,
        id=f"req_{draw.getrandbits(96):024x}",
        client_id=f"order-{draw.getrandbits(32):x}" if draw.random() < CLIENT_IDS else None,
        key=f"key-{draw.randrange(KEYS)}",
        task=task_name(task),
        model=model,
        backend=f"{model}/1",
        reason=draw.choice(REASONS),
        status=status,
        latency_ms=latency_ms,
        cost_usd=Decimal(f"{draw.lognormvariate(-7, 1.4):.9f}"),
        read_ms=draw.uniform(0.02, 2),
        overhead_ms=draw.uniform(0.1, 0.9),
        waited_ms=first_token_ms,
        begun_ms=0.3,
        ended_ms=first_token_ms,
        endpoint="/v1/chat/completions",
        asked_model="auto",
        version=1 + task % 9,
        is_stream=True,
        input_tokens=int(draw.lognormvariate(6.5, 1)),
        cached_tokens=0,
        output_tokens=int(draw.lognormvariate(5, 1)),
        reasoning_tokens=0,
        is_estimated=False,
        rare=None,
        body=None,
    )

"""Instructions by stage: how callgrind's file is read, and that the stages are there."""

import importlib

import pytest

from benchmarks.speed.stages import STAGES, Stage, own_counts, read_counts

FILE = """
version: 1
fn=(1) data_received
12 500
cfn=(2) stage_24_0
calls=2 0
13 1000
fn=(2)
5 100
cfn=(3) stage_0_3
calls=1 7
6 300
fn=(4) other
9 1
cfn=(3)
calls=1 7
9 40
cfn=(5) stage_pool_free
calls=1 7
9 40
totals: 2000
""".strip()


def test_what_stages_took_is_read_by_caller_and_callee() -> None:
    assert read_counts(FILE.splitlines()) == (2000, {(24, 0): 1000, (0, 3): 340})


def test_a_stage_within_another_one_counts_for_itself_alone() -> None:
    found = own_counts({(24, 0): 1000, (0, 3): 340, (24, 3): 60})
    assert found == {**dict.fromkeys((one.name for one in STAGES), 0), STAGES[0].name: 660, STAGES[3].name: 400}


@pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
def test_every_stage_is_a_function_of_the_gateway(stage: Stage) -> None:
    found = importlib.import_module(stage.module)
    for name in stage.function.split("."):
        found = getattr(found, name)
    assert callable(found)

"""Blocks in several threads: the same results, and the same errors."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from routing.arrays import unit_rows
from routing.manifest import MAX_GRAPH
from routing.neighbours.grouped import GroupedLists
from routing.neighbours.ivf import InvertedLists, IvfIndex
from routing.neighbours.probing import choose_probes
from routing.parallel import build_threads, run_blocks


@pytest.mark.parametrize(("total", "block"), [(0, 3), (1, 3), (10, 3), (9, 3), (5, 100)])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_row_is_in_one_block(total: int, block: int, threads: int) -> None:
    seen = np.zeros(total, dtype=int)

    def count(some: slice) -> None:
        assert 0 < some.stop - some.start <= block
        seen[some] += 1

    run_blocks(count, total, block, threads)
    assert (seen == 1).all()


def test_blocks_run_at_the_same_time() -> None:
    barrier = threading.Barrier(2, timeout=30)

    def wait(some: slice) -> None:
        barrier.wait()

    run_blocks(wait, 2, 1, threads=2)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_block_is_raised(threads: int) -> None:
    def fail(some: slice) -> None:
        if some.start == 2:
            raise ValueError("block 2")

    with pytest.raises(ValueError, match="block 2"):
        run_blocks(fail, 4, 1, threads)


def test_division_and_search_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ivf", "kmeans"):
        monkeypatch.setattr(f"routing.neighbours.{module}.BLOCK_CELLS", 5000)
    generator = np.random.default_rng(0)
    ids = np.arange(1500) % 7
    vectors = unit_rows(generator.normal(size=(7, 12))[ids] + generator.normal(size=(1500, 12)))
    found = []
    for threads in (1, 3):
        lists = InvertedLists.divide(vectors, threads=threads)
        chosen = choose_probes(vectors, lists, ids, threads)
        grouped = GroupedLists.of_benchmark(IvfIndex(vectors, lists, chosen.n_probe), ids, threads)
        found.append((lists.members, lists.centres, [chosen.n_probe], *grouped.find_outside(vectors, 19, ids[:, None])))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def blas_threads() -> list[int]:
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


def test_of_a_large_benchmark_the_build_has_the_threads_and_blas_has_one() -> None:
    before = blas_threads()
    with build_threads(MAX_GRAPH) as threads:
        assert (threads, blas_threads()) == (1, before)
    with build_threads(MAX_GRAPH + 1) as threads:
        assert threads >= 1
        assert set(blas_threads()) == {1}
    assert blas_threads() == before

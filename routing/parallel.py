"""Blocks of a computation in several threads.

numpy computes without the interpreter's lock, so that blocks run at the same time. The threads of a BLAS library do the
same for one product, but wait for each other in loops: for the small products of inverted lists two of them take up to
ten times the CPU of one. Whoever uses more than one thread here has BLAS use one.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from routing.manifest import MAX_GRAPH


@contextmanager
def build_threads(n_inputs: int) -> Iterator[int]:
    """Yield the number of threads to build a pack with, BLAS having one: of a large benchmark, as many as cores.

    For a smaller one it is 1, and BLAS keeps its own: the last bits of products depend on their number.
    """
    if n_inputs <= MAX_GRAPH:
        yield 1
        return
    # Imported here: scorers, which build nothing, do without it.
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield _count_cores()


def _count_cores() -> int:
    """Return the number of cores that this process may use; macOS tells only how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_blocks(work: Callable[[slice], None], total: int, block: int, threads: int = 1) -> None:
    """Call `work` with every block of `total` rows, in order where there is one thread. Raises what it raises."""
    blocks = [slice(start, min(total, start + block)) for start in range(0, total, block)]
    if threads == 1 or len(blocks) < 2:
        for some in blocks:
            work(some)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, blocks):
            pass

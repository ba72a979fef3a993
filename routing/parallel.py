"""Blocks of a computation in several threads.

numpy computes without the interpreter's lock, so that blocks run at the same time. The threads of a BLAS library do the
same for one product, but wait for each other in loops: for the small products of inverted lists they cost several times
the CPU of one thread. Whoever uses more than one thread here has BLAS use one (`OPENBLAS_NUM_THREADS=1`).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


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

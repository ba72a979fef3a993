"""Set-up of every process of the product: logging, signals, allocator, environment of libraries."""

import ctypes
import logging
import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType

from gateway.observability import logs
from gateway.processes.descriptors import raise_descriptor_limit

LEVEL_VARIABLE = "BENCHROUTE_LOG_LEVEL"

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3): M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD."""

MALLOPT_BYTES = {TRIM_THRESHOLD: 16 * 1024**2, TOP_PAD: 1024**2, MMAP_THRESHOLD: 4 * 1024**2}
"""Values, in bytes."""

SignalHandler = Callable[[int, FrameType | None], object] | signal.Handlers


def configure_process(
    log_level: str | None = None,
    log_format: str | None = None,
    requests: logs.Requests = "errors",
    sample_rate: float = 1.0,
    signals: Mapping[signal.Signals, SignalHandler] | None = None,
) -> None:
    """Set this process up, and through its environment those that it starts. Call it once, before any thread starts.

    log_level, log_format: the environment's by default (BENCHROUTE_LOG_LEVEL, BENCHROUTE_LOG_FORMAT), else info and
    text. requests, sample_rate: see gateway.observability.logs. signals: handlers to install.
    """
    tune_malloc()
    # Tokenizers' own threads and a fork, or our embedding threads, do not go together; the library warns at every fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # A child logs as its parent does: one format for whoever collects the lines.
    os.environ[logs.FORMAT_VARIABLE] = log_format or os.environ.get(logs.FORMAT_VARIABLE, "text")
    level = log_level or os.environ.get(LEVEL_VARIABLE, "info")
    logs.configure_logging(level, os.environ[logs.FORMAT_VARIABLE], requests, sample_rate)
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    raise_descriptor_limit()
    for number, handler in (signals or {}).items():
        signal.signal(number, handler)


def tune_malloc() -> bool:
    """Set glibc's thresholds, so that the memory of request bodies stays with the process.

    Returns False without glibc, or where the environment has set its malloc up.
    """
    # glibc returns memory to the system as soon as 128 KB at the heap's end are free, and maps larger blocks one by
    # one. For a body of 100 KB that is copied a few times, pages are then mapped, cleared and unmapped with every
    # request: a fifth of its CPU time.
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(option, value) == 1 for option, value in MALLOPT_BYTES.items())

"""What every process of the product sets up before its work: logging, signals, malloc, libraries' environment."""

import logging
import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType

from gateway.observability import logs
from gateway.processes.malloc import tune_malloc

LEVEL_VARIABLE = "BENCHROUTE_LOG_LEVEL"

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
    for number, handler in (signals or {}).items():
        signal.signal(number, handler)

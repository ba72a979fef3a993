"""What the programs log, and how: text for people, or a JSON object a line for machines.

Of requests there is one line at most, with what they were counted as. Never in a log: prompts, answers, keys.
"""

import json
import logging
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TextIO

Format = Literal["text", "json"]
Requests = Literal["none", "errors", "all"]

FORMAT_VARIABLE = "BENCHROUTE_LOG_FORMAT"
"""Tells the scorer's process, which is started by the gateway's, what the gateway logs like."""

REQUEST_LOGGER = "benchroute.request"
LEVELS = {"none": logging.CRITICAL, "errors": logging.WARNING, "all": logging.INFO}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON. A record's `request`, a mapping, stands beside the other members."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        told: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "request", {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


class SampleFilter(logging.Filter):
    """Lets a share of the requests through, and everything that is worth a warning."""

    def __init__(self, share: float, draw: Callable[[], float] = random.random) -> None:
        """share: in [0, 1]. draw: in [0, 1)."""
        super().__init__()
        self._share = share
        self._draw = draw

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter."""
        return record.levelno >= logging.WARNING or self._draw() < self._share


def make_handler(format_: str, stream: TextIO | None = None) -> logging.Handler:
    """Writes records to standard error, or to `stream`."""
    made = logging.StreamHandler(stream or sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    made.setFormatter(JsonFormatter() if format_ == "json" else text)
    return made


def configure_logging(level: str, format_: str, requests: Requests = "errors", share: float = 1.0) -> None:
    """From now on this process logs like that. level: a name of logging's, in either case."""
    logging.basicConfig(level=level.upper(), handlers=[make_handler(format_)])
    told = logging.getLogger(REQUEST_LOGGER)
    told.setLevel(LEVELS["all" if level.upper() == "DEBUG" else requests])
    told.addFilter(SampleFilter(share))

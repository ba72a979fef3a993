"""Log configuration: text, or one JSON object per line.

A request has at most one line, with the values it was counted with. Prompts, responses and keys are never logged.
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
"""Environment variable that passes the log format on to the scorer process."""

REQUEST_LOGGER = "benchroute.request"
LEVELS = {"none": logging.CRITICAL, "errors": logging.WARNING, "all": logging.INFO}


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with the items of its `request`, a mapping, as members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        document: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "request", {}),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


class SampleFilter(logging.Filter):
    """Passes a random sample of the records, and every warning and error."""

    def __init__(self, share: float, draw: Callable[[], float] = random.random) -> None:
        """share: of the records, in [0, 1]. draw: random number in [0, 1)."""
        super().__init__()
        self._share = share
        self._draw = draw

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True for a record to log."""
        return record.levelno >= logging.WARNING or self._draw() < self._share


def make_handler(format_: str, stream: TextIO | None = None) -> logging.Handler:
    """Return a handler that writes to standard error, or to `stream`. format_: text or json."""
    handler = logging.StreamHandler(stream or sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if format_ == "json" else text)
    return handler


def configure_logging(level: str, format_: str, requests: Requests = "errors", share: float = 1.0) -> None:
    """Configure logging of this process.

    level: a level's name, in either case; DEBUG logs all requests. format_: text or json. requests, share: which
    requests are logged, see `log.requests` and `log.sample_rate`.
    """
    logging.basicConfig(level=level.upper(), handlers=[make_handler(format_)])
    logger = logging.getLogger(REQUEST_LOGGER)
    logger.setLevel(LEVELS["all" if level.upper() == "DEBUG" else requests])
    logger.addFilter(SampleFilter(share))

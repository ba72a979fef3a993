"""API keys in files, which change while the gateway runs: a mounted secret, a token that is renewed."""

import logging
from pathlib import Path

from gateway.config.header_fields import clean_key

MAX_KEY_BYTES = 64 * 1024

log = logging.getLogger("benchroute")


class KeyFile:
    """A file with one key."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._key = ""
        self._fault = ""

    def read_key(self) -> str:
        """Return the key. Raises ValueError if the file has no usable one."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_KEY_BYTES + 1)
        except OSError as error:
            raise ValueError(f"api_key_file {self._path} cannot be read: {error.strerror}") from error
        if len(content) > MAX_KEY_BYTES:
            raise ValueError(f"api_key_file {self._path} has more than {MAX_KEY_BYTES} bytes: not a key")
        try:
            return clean_key(content.decode())
        except ValueError as error:
            reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise ValueError(f"api_key_file {self._path}: {reason}") from error

    def current_key(self) -> str:
        """Return the key; the last good one while the file has none, as in the middle of a change."""
        try:
            key, fault = self.read_key(), ""
        except ValueError as error:
            if not self._key:
                raise
            key, fault = self._key, str(error)
        if fault and fault != self._fault:
            log.error("%s; the key that it had is used further", fault)
        elif self._key and key != self._key:
            log.info("%s has another key", self._path)
        self._key, self._fault = key, fault
        return key

"""The `model` field of a multipart form (RFC 7578), found while the form passes.

A form is read as the strictest parser would read it: two parsers that find different models in one form would let a key
use a model that it may not use. What only some of them accept is refused.

    START ──► BETWEEN ──► HEADERS ──► CONTENT ──► BETWEEN … ──► END        CONTENT is MODEL for the field itself
"""

import enum
import re

from gateway.errors import InvalidRequest

MAX_PART_HEADERS = 16 * 1024
MAX_MODEL_BYTES = 1024

_BOUNDARY = re.compile(rb';\s*boundary=(?:"([^"\\]{1,70})"|([!#$%&\'*+.^_`|~0-9A-Za-z:=?/()@,-]{1,70}))', re.IGNORECASE)
"""RFC 2046, 5.1.1: 1 to 70 characters. Some clients do not quote those that need it."""
_NAME = re.compile(rb';[ \t]*name[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)
_EXTENDED_NAME = re.compile(rb";[ \t]*name\*", re.IGNORECASE)
_FILE_NAME = re.compile(rb";[ \t]*filename\*?[ \t]*=", re.IGNORECASE)
_DISPOSITION = b"content-disposition"


class FormState(enum.Enum):
    """Position in a form."""

    START = "before the first delimiter"
    CONTENT = "in a part's content"
    BETWEEN = "behind a delimiter"
    HEADERS = "in a part's headers"
    MODEL = "in the content of the field `model`"
    END = "behind the last delimiter"


class FormModel:
    """Search for the field in a form that comes in pieces of any size.

    Attributes:
        value: Of the field; None as long as it has not been found.
        start, end: Its place in the form, in bytes.
    """

    def __init__(self, content_type: bytes) -> None:
        """Raises InvalidRequest for a content type without a boundary."""
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise InvalidRequest("the Content-Type of a multipart form needs a boundary of 1 to 70 characters")
        self._delimiter = b"\r\n--" + (found[1] or found[2])
        self._held, self._offset = b"", 0
        self._state = FormState.START
        self.value: str | None = None
        self.start = self.end = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece. Raises InvalidRequest for an invalid form, and for a second `model`."""
        self._held += data
        while self._step():
            pass

    def format_field(self, value: bytes) -> bytes:
        """Return the field with its delimiter, to stand at the beginning of a form without it."""
        return b'%b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n' % (self._delimiter[2:], value)

    def check_end(self) -> None:
        """Raise InvalidRequest where the form ends before its last delimiter."""
        if self._state is not FormState.END:
            raise InvalidRequest("the multipart form ends before its last boundary")

    def _step(self) -> bool:
        """Consume what is complete. Return False where more data is needed."""
        match self._state:
            case FormState.START:
                return self._pass_first_delimiter()
            case FormState.CONTENT:
                return self._pass_content()
            case FormState.MODEL:
                return self._take_model()
            case FormState.BETWEEN:
                return self._pass_delimiter()
            case FormState.HEADERS:
                return self._read_headers()
        if self._held.strip(b"\r\n"):
            raise InvalidRequest("invalid multipart form: something follows its last boundary")
        self._drop(len(self._held))
        return False

    def _pass_first_delimiter(self) -> bool:
        """Pass the delimiter that begins the form. Text before it is read differently by parsers, and refused."""
        first = self._delimiter[2:]
        if len(self._held) < len(first):
            return False
        if not self._held.startswith(first):
            raise InvalidRequest("invalid multipart form: it does not begin with the boundary of its Content-Type")
        self._drop(len(first))
        self._state = FormState.BETWEEN
        return True

    def _pass_content(self) -> bool:
        at = self._held.find(self._delimiter)
        if at < 0:
            # The delimiter may have begun: that much is kept, and nothing of a file before it.
            self._drop(max(0, len(self._held) - len(self._delimiter) + 1))
            return False
        self._drop(at + len(self._delimiter))
        self._state = FormState.BETWEEN
        return True

    def _take_model(self) -> bool:
        at = self._held.find(self._delimiter)
        if at > MAX_MODEL_BYTES or (at < 0 and len(self._held) > MAX_MODEL_BYTES + len(self._delimiter)):
            raise InvalidRequest(f"the form's `model` is longer than {MAX_MODEL_BYTES} bytes", param="model")
        if at < 0:
            return False
        try:
            self.value = self._held[:at].decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest("the form's `model` is not valid UTF-8", param="model") from error
        self.start, self.end = self._offset, self._offset + at
        self._drop(at + len(self._delimiter))
        self._state = FormState.BETWEEN
        return True

    def _pass_delimiter(self) -> bool:
        if len(self._held) < 2:
            return False
        if self._held.startswith(b"--"):
            self._drop(2)
            self._state = FormState.END
        elif self._held.startswith(b"\r\n"):
            # The line break stays: it begins the end of the headers where a part has none.
            self._state = FormState.HEADERS
        else:
            raise InvalidRequest("invalid multipart form: a boundary is not followed by a line break (CRLF) or by --")
        return True

    def _read_headers(self) -> bool:
        at = self._held.find(b"\r\n\r\n")
        if at > MAX_PART_HEADERS or (at < 0 and len(self._held) > MAX_PART_HEADERS):
            raise InvalidRequest(f"invalid multipart form: a part's headers are longer than {MAX_PART_HEADERS} bytes")
        if at < 0:
            return False
        content = at + 4
        if len(self._held) < content + len(self._delimiter):
            return False
        # A delimiter without a line break of its own: an empty part to some parsers, content to others.
        if self._held.startswith(self._delimiter[2:], content):
            raise InvalidRequest("invalid multipart form: a boundary follows a part's headers without a line break")
        is_model = _names_model(self._held[:at])
        if is_model and self.value is not None:
            raise InvalidRequest("the form has the field `model` twice", param="model")
        self._drop(content)
        self._state = FormState.MODEL if is_model else FormState.CONTENT
        return True

    def _drop(self, size: int) -> None:
        self._held, self._offset = self._held[size:], self._offset + size


def _names_model(headers: bytes) -> bool:
    """Return True for the headers of the field `model`. Raises InvalidRequest for what parsers read differently."""
    lines = [line for line in headers.split(b"\r\n") if line]
    found = [line for line in lines if line.partition(b":")[0].strip().lower() == _DISPOSITION]
    bare = headers.replace(b"\r\n", b"")
    if len(found) != 1 or any(line[:1] in b" \t" for line in lines) or b"\n" in bare or b"\r" in bare:
        raise InvalidRequest("invalid multipart form: every part needs one Content-Disposition, on one line")
    names = _NAME.findall(found[0])
    if len(names) != 1 or _EXTENDED_NAME.search(found[0]):
        raise InvalidRequest("invalid multipart form: every part needs one name in its Content-Disposition")
    name = (names[0][0] or names[0][1]).replace(b"\\", b"")
    if name != b"model":
        return False
    if _FILE_NAME.search(found[0]) or any(line.lower().startswith(b"content-transfer-encoding") for line in lines):
        raise InvalidRequest("the form's `model` must be a plain field: no file, no transfer encoding", param="model")
    return True

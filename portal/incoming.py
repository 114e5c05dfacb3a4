"""One HTTP request while it arrives: whether all of it is here. gunicorn's parser judges what it says."""

import re
from enum import Enum

HEAD_LIMIT = 64 * 1024  # bytes; a browser's has a few hundred, a link that fills the form in up to 8 kB
CHUNK_LINE_LIMIT = 8190  # as gunicorn's

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*\bchunked\b", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)


class State(Enum):
    PARTIAL = "partial"
    WHOLE = "whole"
    TOO_LARGE = "too large"


# What cannot be read as HTTP counts as whole: gunicorn's parser says what is wrong with it. The parser gets these bytes
# and no others, so a request that is taken for whole too early fails there instead of waiting.
class IncomingRequest:
    """Bytes of a request with a body of at most `limit` bytes."""

    def __init__(self, limit: int, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.waits_for_continue = False
        self._limit = limit
        self._body_starts = 0  # 0 while the head is not finished
        self._searched = 0
        self._chunk_starts = 0  # 0 in a request whose body has a length
        self._ends = 0

    def state(self) -> State:
        """Looks at what is new in `data`; no byte is looked at twice, however small the pieces are."""
        if not self._body_starts and not self._find_head():
            return State.WHOLE if len(self.data) > HEAD_LIMIT else State.PARTIAL
        if self._chunk_starts:
            return self._walk_chunks()
        if self._ends - self._body_starts > self._limit:
            return State.TOO_LARGE
        return State.WHOLE if len(self.data) >= self._ends else State.PARTIAL

    def without_body(self) -> bytes:
        """The head alone, with a body that is announced as too large, for the application to refuse it."""
        line, fields = bytes(self.data[: self._body_starts]).split(b"\r\n", 1)
        if self._chunk_starts:
            fields = _CODING.sub(b"", b"\r\n" + fields)[2:]
            fields = b"Content-Length: %d\r\n" % (self._limit + 1) + fields
        return line + b"\r\nConnection: close\r\n" + fields

    def _find_head(self) -> bool:
        end = self.data.find(b"\r\n\r\n", max(self._searched - 3, 0))
        self._searched = len(self.data)
        if end < 0:
            return False
        head = bytes(self.data[: end + 2])
        if _EXPECT.search(head):  # answered here, since gunicorn would answer when the body has come
            self.waits_for_continue = True
            head = _EXPECT.sub(b"", head)
            self.data[: end + 2] = head
        self._body_starts = len(head) + 2
        length = _LENGTH.search(head)
        self._ends = self._body_starts + (int(length[1]) if length else 0)
        if _CHUNKED.search(head):
            self._chunk_starts = self._body_starts
        return True

    def _walk_chunks(self) -> State:
        while (line_ends := self.data.find(b"\r\n", self._chunk_starts)) >= 0:
            try:
                size = int(self.data[self._chunk_starts : line_ends].split(b";")[0], 16)
            except ValueError:
                return State.WHOLE
            if size == 0:
                # After the last chunk come trailers, and then an empty line.
                too_long = len(self.data) - line_ends > HEAD_LIMIT
                return State.WHOLE if too_long or self.data.find(b"\r\n\r\n", line_ends) >= 0 else State.PARTIAL
            self._chunk_starts = line_ends + 2 + size + 2
            if size < 0 or self._chunk_starts - self._body_starts > self._limit:
                return State.TOO_LARGE
        unread = len(self.data) - self._chunk_starts
        return State.WHOLE if unread > CHUNK_LINE_LIMIT else State.PARTIAL

"""Turn the bytes of a pipe into lines of text. No Airflow import, no I/O."""

from __future__ import annotations

from collections import deque

LONGEST = 1 << 20
"""Bytes of the longest line that is kept whole. What is longer comes in pieces of this size: a
program that prints without ever ending a line must not fill the worker's memory."""

MANY = 100
"""Lines that wait at once from which on they are logged together…"""

TOGETHER = 20
"""…so many in a record; larger ones are not shown whole by Airflow's log page."""

_LARGE = 8192


class LineBuffer:
    r"""Bytes in, whole lines out, in order, each exactly once.

    A line ends with LF or CR LF, which are not part of it; bytes that are not UTF-8 are shown as
    ``\xNN`` (as Airflow's BashOperator shows them). Lines wait in a queue, so that an exception
    raised by whoever takes one leaves those behind it untouched.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._rest = bytearray()
        self._burst = False

    def feed(self, chunk: bytes) -> None:
        """Take bytes in; they may begin and end anywhere, also within a character."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._rest += part
            self._cut()
            self._push()
        self._rest += rest
        self._cut()

    def end(self) -> None:
        """Say that no more bytes will come: a last line may lack its newline."""
        if self._rest:
            self._push()

    def first(self) -> str | None:
        """Return the line that waits longest, without taking it; None where there is none."""
        return self._lines[0] if self._lines else None

    def take(self) -> list[str]:
        """Return the lines to log together; none where there is none yet.

        That is one line while they trickle. Airflow takes a tenth of a millisecond for a record,
        whatever is in it: where very many wait at once, some are logged as one.
        """
        if len(self._lines) >= MANY:
            self._burst = True
        taken: list[str] = []
        size = 0
        while self._lines and len(taken) < (TOGETHER if self._burst else 1) and size < _LARGE:
            taken.append(self._lines.popleft())
            size += len(taken[-1])
        if not self._lines:
            self._burst = False
        return taken

    def _push(self) -> None:
        line = self._rest
        self._rest = bytearray()
        if line.endswith(b"\r"):
            del line[-1]
        self._lines.append(line.decode(errors="backslashreplace"))

    def _cut(self) -> None:
        """Give out an overlong line in pieces, never within a character."""
        # One byte more than the limit may be the CR of a line that is just short enough.
        while len(self._rest) > LONGEST + 1:
            end = LONGEST
            # 0b10xxxxxx continues a character, of which there are at most three such bytes.
            while end > LONGEST - 3 and self._rest[end] & 0xC0 == 0x80:
                end -= 1
            self._lines.append(self._rest[:end].decode(errors="backslashreplace"))
            del self._rest[:end]

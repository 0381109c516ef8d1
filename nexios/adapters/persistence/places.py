"""Names the code of the application that asked, for error texts."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Final

_LIBRARIES: Final = (
    str(Path(__file__).parents[2]),
    str(Path(os.__file__).parent),  # the standard library
    "site-packages",
    "<",
)
_NOT_THE_ASKER: Final = ("nexios.", "contextlib", "asyncio.", "anyio.", "sqlalchemy.")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a function; its text is made only when an error shows it."""

    code: CodeType
    line: int
    outer: tuple[tuple[CodeType, int], ...] = ()
    """What called it, nearest first: function and offset in its bytecode."""

    @property
    def who(self) -> str:
        return self.code.co_qualname

    @property
    def stack(self) -> str:
        """The application's steps that led here, a line each, the innermost first."""
        steps = [(self.code, self.line)]
        steps += [
            (code, _line_at(code, offset))
            for code, offset in self.outer
            if not any(part in code.co_filename for part in _LIBRARIES)
        ]
        return "\n".join(
            f"  {code.co_filename}:{line} in {code.co_qualname}" for code, line in steps
        )

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line}"


def asking_place(deep: int = 0) -> Place:
    """Return the innermost line that is neither ours nor a library's below us.

    Args:
        deep: How many of the steps around it to keep.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe builds the same, slower
    while frame.f_back is not None:
        if not frame.f_globals.get("__name__", "").startswith(_NOT_THE_ASKER):
            break
        frame = frame.f_back
    code, line = frame.f_code, frame.f_lineno
    if not deep:
        return Place(code, line)
    # Offsets, not lines: to find a line costs more than all the rest of this.
    outer: list[tuple[CodeType, int]] = []
    for _ in range(deep):
        above = frame.f_back
        if above is None:
            break
        frame = above
        outer.append((frame.f_code, frame.f_lasti))
    return Place(code, line, tuple(outer))


def _line_at(code: CodeType, offset: int) -> int:
    for begin, end, line in code.co_lines():
        if begin <= offset < end and line is not None:
            return line
    return code.co_firstlineno

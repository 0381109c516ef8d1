"""Names the code of the application that asked, for error texts."""

import sys
from dataclasses import dataclass
from types import CodeType
from typing import Final

_NOT_THE_ASKER: Final = ("nexios.", "contextlib", "asyncio.", "anyio.", "sqlalchemy.")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a function; its text is made only when an error shows it."""

    code: CodeType
    line: int
    outer: tuple[tuple[CodeType, int], ...] = ()

    @property
    def who(self) -> str:
        return self.code.co_qualname

    @property
    def stack(self) -> str:
        """The application's steps that led here, a line each, the innermost first."""
        steps = ((self.code, self.line), *self.outer)
        return "\n".join(
            f"  {code.co_filename}:{line} in {code.co_qualname}" for code, line in steps
        )

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line}"


def asking_place(deep: int = 0) -> Place:
    """Return the innermost line that is neither ours nor a library's below us.

    Args:
        deep: How many of the application's steps around it to keep.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe builds the same, slower
    while frame.f_back is not None:
        if not frame.f_globals.get("__name__", "").startswith(_NOT_THE_ASKER):
            break
        frame = frame.f_back
    code, line = frame.f_code, frame.f_lineno
    outer: list[tuple[CodeType, int]] = []
    while len(outer) < deep and frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__", "").startswith(_NOT_THE_ASKER):
            break
        outer.append((frame.f_code, frame.f_lineno))
    return Place(code, line, tuple(outer))

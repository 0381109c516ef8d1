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

    @property
    def who(self) -> str:
        return self.code.co_qualname

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line}"


def asking_place() -> Place:
    """Return the innermost line that is neither ours nor a library's below us."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe builds the same, slower
    while frame.f_back is not None:
        if not frame.f_globals.get("__name__", "").startswith(_NOT_THE_ASKER):
            break
        frame = frame.f_back
    return Place(frame.f_code, frame.f_lineno)

"""Where something is written: places in the source, and the steps of a path through them."""

import inspect
from pathlib import Path

from nexios.records import dataclass

_COLUMN = 49
_HOUSE = str(Path(__file__).parent.parent)


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the source: file, line, and what stands there."""

    file: str
    line: int
    text: str = ""
    anchor: type | None = None

    @property
    def number(self) -> int:
        """The line; of a class it is looked up when it is printed, for that reads the file."""
        if self.line or self.anchor is None:
            return self.line
        try:
            return inspect.getsourcelines(self.anchor)[1]
        except (OSError, TypeError, IndexError, SyntaxError):
            return 0

    @property
    def ours(self) -> bool:
        """Whether it lies in Nexios itself, where nobody mends his wiring."""
        return self.file.startswith(_HOUSE)

    def __str__(self) -> str:
        """Return ``file:line``, the file as seen from the working directory; ours are empty."""
        if not self.file or self.ours:
            return ""
        path = Path(self.file)
        here = Path.cwd()
        shown = path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name
        return f"{shown}:{self.number}"


NOWHERE = Where("", 0)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a path: a label, what it is, and where it is written."""

    label: str
    text: str
    where: Where = NOWHERE

    def __str__(self) -> str:
        """Return the line, the place in a column of its own."""
        line = f"  {self.label}  {self.text}"
        place = str(self.where)
        return f"{line:<{_COLUMN}}  {place}" if place else line

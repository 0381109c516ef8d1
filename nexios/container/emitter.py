"""Writes Python: lines, names of objects, a function with a source that debuggers can show."""

import linecache
import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from itertools import count
from typing import Final

from nexios.container.keys import MISSING
from nexios.records import dataclass

_INDENT: Final = "    "
_ODD: Final = re.compile(r"[^\w.]", re.ASCII)

Function = Callable[..., object]


class Namespace:
    """What the plans of one container share as their globals: objects under generated names.

    No name and no value of the user's stands in a source: the one cannot become code, the other
    cannot reach a traceback.

    Attributes:
        objects: A plain dictionary: CPython looks globals up quickly in no other kind.
    """

    def __init__(self, **objects: object) -> None:
        """Start with what every plan may use, under names that no generated one has."""
        self.objects = objects
        self._numbers = count()
        self._names: dict[tuple[str, int], str] = {}

    def named(self, prefix: str, value: object) -> str:
        """Return the name of an object, the same one for the same object."""
        known = self._names.get((prefix, id(value)))
        # The name keeps the object, so its id stays its own.
        if known is None:
            known = self._names[prefix, id(value)] = f"{prefix}_{next(self._numbers)}"
            self.objects[known] = value
        return known

    def singleton(self, slot: int) -> str:
        """Return the name of a singleton; MISSING stands there until it is known."""
        name = f"s{slot}"
        self.objects.setdefault(name, MISSING)
        return name

    def fixed(self, name: str, value: object) -> str:
        """Put an object under a name of the caller's making."""
        self.objects[name] = value
        return name


@dataclass(slots=True)
class Emitter:
    """One function in the making.

    Attributes:
        label: What it is for; shown as its file name, ``<nexios GET /users/{user_id}>``.
        notes: Line number to what is being made there.
    """

    label: str
    notes: dict[int, str] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)
    _depth: int = 0
    _locals: "count[int]" = field(default_factory=count)

    @property
    def straight(self) -> bool:
        """Whether the next line runs in every call, before all that follow it."""
        return self._depth <= 1  # of the function itself

    def line(self, text: str, *, comment: str = "", note: str = "") -> int:
        """Add a line; return its number, for ``rewrite``.

        Args:
            comment: A name to show behind it; what could be read as code is left out.
            note: What is being made, for the exception that comes from this line.
        """
        tail = f"  # {_ODD.sub(' ', comment)}" if comment else ""
        self._lines.append(f"{_INDENT * self._depth}{text}{tail}")
        number = len(self._lines)
        if note:
            self.notes[number] = note
        return number

    def text(self, number: int) -> str:
        """Return a line without what indents it."""
        return self._lines[number - 1].lstrip()

    def rewrite(self, number: int, text: str) -> None:
        """Put another text in the place of a line, as deep as that one stands."""
        before = self._lines[number - 1]
        self._lines[number - 1] = before[: len(before) - len(before.lstrip())] + text

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Indent what is added inside."""
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a line, and indent below it what is added inside."""
        self.line(head)
        before = len(self._lines)
        with self.indented():
            yield
            if len(self._lines) == before:
                self.line("pass")

    def local(self, prefix: str) -> str:
        """Return a fresh local name."""
        return f"{prefix}{next(self._locals)}"

    def function(self, name: str, namespace: Namespace) -> Function:
        """Return the function that the lines define, its globals being ``namespace``."""
        source = "\n".join(self._lines) + "\n"
        file = _free(f"nexios {_printed(self.label)}")
        code = compile(source, file, "exec", dont_inherit=True)
        made: dict[str, Function] = {}
        exec(code, namespace.objects, made)  # noqa: S102  # generated names only, see Namespace
        function = made[name]
        # A modification time of None: linecache keeps it and never looks for a file.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        weakref.finalize(function, linecache.cache.pop, file, None)
        return function


def _printed(label: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in label)


def _free(name: str) -> str:
    """Return a file name that no other plan has now."""
    file = f"<{name}>"
    for number in count(2):
        if file not in linecache.cache:
            break
        file = f"<{name} #{number}>"
    return file

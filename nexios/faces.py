"""Hands the names of a face on from the files that define them, once they are asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def handing_on(face: dict[str, Any], homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a face (PEP 562): who needs one file loads no other.

    Args:
        face: Its ``globals()``; what was asked for once is kept there.
        homes: Module to the names it defines, blanks between them.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def hand_on(name: str) -> object:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {face['__name__']!r} has no attribute {name!r}")
        found = face[name] = getattr(import_module(home), name)
        return found

    return hand_on

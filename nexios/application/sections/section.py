"""The base of the named groups of settings: plain frozen values, checked where they are made."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from nexios.application.settings import Values

Texts = tuple[str, ...]


class Section:
    """Base of the sections: freezes lists and mappings, and refuses what does not fit."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]  # every child is a dataclass
            value = getattr(self, one.name)
            if isinstance(value, Mapping) and not isinstance(value, Values):
                value = Values(value)
                object.__setattr__(self, one.name, value)
            elif isinstance(value, list):
                value = tuple(value)
                object.__setattr__(self, one.name, value)
            if not _fits(value, one.type):
                raise ValueError(f"{one.name} must be {_shown(one.type)}")
            if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
                raise ValueError(f"{one.name} must not be negative or endless")


def is_path(text: str) -> bool:
    """Return whether a text is a path of this application, and not of another host."""
    return text[:1] == "/" and text[:2] not in ("//", "/\\") and text.isprintable()


def within(name: str, value: int, low: int, high: int) -> None:
    """Refuse a number outside of its bounds, both of which are allowed.

    Raises:
        ValueError: Names the setting and the bounds.
    """
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}")


def _fits(value: object, kind: Any) -> bool:
    """Return whether a value is of the type a field says; deep enough for the fields below."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    if origin is Callable:
        return callable(value)
    if kind in {int, float}:
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, origin or kind)


def _shown(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return " or ".join(_shown(part) for part in parts)
    if origin is Literal:
        return " or ".join(repr(part) for part in parts)
    names = {tuple: "a list of texts", Callable: "a function", Mapping: "a mapping"}
    plain = {
        str: "a text",
        Path: "a path",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
    }
    return names.get(origin) or plain.get(kind) or "None"

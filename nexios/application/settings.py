"""Layers of settings: what was given where, laid over each other with the source kept."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, NoReturn, Self, Union, get_args, get_origin

from nexios.application.environment import (
    TextSetting,
    UnreadableSetting,
    read_dotenv,
    read_variables,
)
from nexios.application.scrub import scrub
from nexios.records import dataclass

_PROFILE: Final = "the profile compat"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value and the place it was given. ``text`` marks what is still to be read as a type."""

    value: object
    source: str
    text: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the settings: which, what, and where it was written."""

    path: str
    says: str
    source: str

    def __str__(self) -> str:
        return f"{self.path}: {self.says}   (from {self.source})"


@dataclass(slots=True)
class Tree:
    """Settings of one name: by key, either a value or a further tree."""

    branches: dict[str, "Tree | Leaf"]
    source: str

    def source_of(self, path: Iterable[object]) -> str:
        """Return where the nearest setting at or above ``path`` was given."""
        node: Tree | Leaf = self
        for part in path:
            below = node.branches.get(str(part)) if isinstance(node, Tree) else None
            if below is None:
                break
            node = below
        return node.source


_LISTS: Final = (list, tuple, set, frozenset)


def tree_of(values: Mapping[str, object], source: str) -> Tree:
    """Take a mapping as given in code apart into a tree."""
    return Tree({str(key): _node(value, source) for key, value in values.items()}, source)


def _node(value: object, source: str) -> Tree | Leaf:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return tree_of(value, source)
    return Leaf(value, source)


def tree_of_texts(settings: Iterable[TextSetting]) -> Tree:
    """Gather settings written as text; a text that is a JSON object opens into a tree."""
    root = Tree({}, "")
    # Short names first, so that NEXIOS_CORS__MAX_AGE counts beside a whole NEXIOS_CORS='{...}'.
    for setting in sorted(settings, key=lambda one: len(one.path)):
        node = root
        for part in setting.path[:-1]:
            below = node.branches.get(part)
            if not isinstance(below, Tree):
                below = node.branches[part] = Tree({}, setting.source)
            node = below
        node.branches[setting.path[-1]] = _text_node(setting)
    return root


def _text_node(setting: TextSetting) -> Tree | Leaf:
    if setting.text.lstrip().startswith("{"):
        try:
            value = json.loads(setting.text)
        except ValueError:
            return Leaf(setting.text, setting.source, text=True)
        return _node(value, setting.source)
    return Leaf(setting.text, setting.source, text=True)


def overlay(lower: Tree, upper: Tree) -> Tree:
    """Return both trees as one; where both say something, ``upper`` counts."""
    merged = dict(lower.branches)
    for key, node in upper.branches.items():
        below = merged.get(key)
        if isinstance(node, Tree) and isinstance(below, Tree):
            merged[key] = overlay(below, node)
        else:
            merged[key] = node
    return Tree(merged, upper.source or lower.source)


def written(tree: Tree, above: str = "") -> Iterator[str]:
    """Yield the dotted names of what somebody gave; what a profile brings nobody did."""
    for key, node in tree.branches.items():
        path = f"{above}{key}"
        if isinstance(node, Tree):
            yield from written(node, f"{path}.")
        elif node.source != _PROFILE:
            yield path


def plain(node: Tree | Leaf) -> object:
    """Return the bare values of a tree; texts that are JSON lists are read as lists."""
    if isinstance(node, Tree):
        return {key: plain(below) for key, below in node.branches.items()}
    if node.text and isinstance(node.value, str) and node.value.lstrip().startswith("["):
        try:
            return json.loads(node.value)
        except ValueError:
            return node.value
    return node.value


def gather(
    given: Mapping[str, object],
    defaults: Mapping[str, object],
    aliases: Mapping[str, Mapping[str, str]],
    profiles: Mapping[object, Mapping[str, object]],
    faults: list[Fault],
) -> Tree:
    """Lay all layers over each other: code, environment, ``.env``, defaults, profile.

    Args:
        given: What the code gave.
        defaults: What the code gave for the case that nobody says anything.
        aliases: By section, other names of its keys.
        profiles: By value of ``compat``, the defaults that come with it.
        faults: Takes what cannot be read.
    """
    variables, dotenv = [*read_variables(os.environ)], [*read_dotenv(Path(".env"))]
    faults.extend(
        Fault(one.name, one.says, one.source)
        for one in (*variables, *dotenv)
        if isinstance(one, UnreadableSetting)
    )
    layers = [
        tree_of(defaults, "defaults"),
        tree_of_texts(one for one in dotenv if isinstance(one, TextSetting)),
        tree_of_texts(one for one in variables if isinstance(one, TextSetting)),
        tree_of(given, "code"),
    ]
    merged = Tree({}, "the defaults of Nexios")
    for layer in layers:
        _settle_aliases(layer, aliases, faults)
        merged = overlay(merged, layer)
    compat = merged.branches.get("compat")
    profile = profiles.get(compat.value, {}) if isinstance(compat, Leaf) else {}
    return overlay(tree_of(profile, _PROFILE), merged)


def _settle_aliases(
    layer: Tree, aliases: Mapping[str, Mapping[str, str]], faults: list[Fault]
) -> None:
    for section, names in aliases.items():
        tree = layer.branches.get(section)
        if isinstance(tree, Tree):
            for alias in names.keys() & tree.branches.keys():
                node, name = tree.branches.pop(alias), names[alias]
                if name in tree.branches:
                    says = f"is given as {name} too; keep one of them"
                    faults.append(Fault(f"{section}.{alias}", says, node.source))
                tree.branches[name] = node


def readable(node: Tree | Leaf, wanted: object) -> object:
    """Return the bare value of a node; a text is split at commas where a list is wanted."""
    value = plain(node)
    if isinstance(node, Leaf) and node.text and isinstance(value, str) and _is_list(wanted):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _is_list(wanted: object) -> bool:
    kinds = get_args(wanted) if get_origin(wanted) in {Union, UnionType} else (wanted,)
    return any(get_origin(kind) is tuple for kind in (_bare(kind) for kind in kinds))


def _bare(kind: object) -> object:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def copied(value: object) -> object:
    """Copy mappings and lists at every depth and keep everything else as it is."""
    if isinstance(value, Mapping):
        return {key: copied(below) for key, below in value.items()}
    if isinstance(value, _LISTS):
        return type(value)(copied(below) for below in value)
    return value


class Values(Mapping[str, Any]):
    """Settings below one name: read by key or attribute, frozen.

    A key that is also the name of a mapping method (``items``) is read by key only.
    """

    __slots__ = ("_values",)
    _values: Mapping[str, object]

    def __init__(self, values: Mapping[str, object]) -> None:
        taken = {key: frozen(value) for key, value in values.items()}
        object.__setattr__(self, "_values", taken)

    def __getitem__(self, key: str) -> Any:  # what an application keeps here is its own affair
        return self._values[key]

    def __getattr__(self, name: str) -> Any:  # as above
        if not name.startswith("_") and name in self._values:
            return self._values[name]
        raise AttributeError(f"no setting {name!r} here")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"the configuration is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"the configuration is frozen: {name} cannot be removed")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __repr__(self) -> str:
        return repr(scrub(self))


def frozen(value: object) -> object:
    """Return the value with mappings, lists and sets at every depth unchangeable."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return Values(value)
    if isinstance(value, Mapping):
        return MappingProxyType({key: frozen(below) for key, below in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(frozen(one) for one in value)
    return frozenset(value) if isinstance(value, set) else value

"""The layers, who may ask for whom, and which layer an object has."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, get_origin


class Layer(Enum):
    """A layer of an application; the value is what a ``__nexios_layer__`` mark says."""

    DOMAIN = "domain"
    APPLICATION = "application"
    HTTP = "http"
    WEBSOCKET = "websocket"
    PERSISTENCE = "persistence"
    INFRASTRUCTURE = "infrastructure"
    COMPOSITION = "composition"


class Because(Enum):
    """What says the layer of an object, in the words that ``explain`` uses."""

    DECLARED = "declared in layers="
    PLACE = "the place of its module"
    MARK = "its __nexios_layer__ mark"
    PACKAGE = "a well-known package"
    MODULE = "the layer= of the module that binds it"
    STANDARD = "the standard library and pydantic are neutral"
    NOTHING = "nothing says one"


_INNER: Final = frozenset({Layer.DOMAIN, Layer.APPLICATION})

MAY_ASK: Final[Mapping[Layer, frozenset[Layer]]] = {
    Layer.DOMAIN: frozenset({Layer.DOMAIN}),
    Layer.APPLICATION: _INNER,
    Layer.HTTP: _INNER | {Layer.HTTP},
    Layer.WEBSOCKET: _INNER | {Layer.WEBSOCKET},
    Layer.PERSISTENCE: _INNER | {Layer.PERSISTENCE},
    Layer.INFRASTRUCTURE: _INNER | {Layer.INFRASTRUCTURE},
    Layer.COMPOSITION: frozenset(Layer),
}
"""Inward and within one's own layer; the rule is on the requested key, not on what answers."""

_ADAPTERS: Final = {
    "http": Layer.HTTP,
    "ws": Layer.WEBSOCKET,
    "websocket": Layer.WEBSOCKET,
    "websockets": Layer.WEBSOCKET,
    "sql": Layer.PERSISTENCE,
    "persistence": Layer.PERSISTENCE,
    "memory": Layer.PERSISTENCE,
}
_COMPOSING_FILES: Final = frozenset({"module", "main", "app"})
_WELL_KNOWN: Final = {
    "sqlalchemy": Layer.PERSISTENCE,
    "asyncpg": Layer.PERSISTENCE,
    "aiosqlite": Layer.PERSISTENCE,
    "redis": Layer.INFRASTRUCTURE,
    "nats": Layer.INFRASTRUCTURE,
}
_NEUTRAL: Final = frozenset({"pydantic", "pydantic_core", "typing_extensions"})
# Shared by HTTP and WebSocket, drawn from both, or handed to everybody.
_OUR_NEUTRAL: Final = (
    "nexios.adapters.asgi",
    "nexios.adapters.openapi",
    "nexios.adapters.routing",
    "nexios.app",
    "nexios.container",
)


def may_ask(asker: Layer | None, asked: Layer | None) -> bool:
    """Return whether ``asker`` may ask for a key of ``asked``; None is neutral."""
    return asker is None or asked is None or asked in MAY_ASK[asker]


def rule(asker: Layer) -> str:
    """Return the rule of ``asker`` in words, as the error texts show it."""
    if asker is Layer.COMPOSITION:
        return "composition may ask for everything"
    words = [layer.value for layer in Layer if layer in MAY_ASK[asker]]
    if len(words) == 1:
        return f"{asker.value} may ask for {words[0]} only"
    return f"{asker.value} may ask for {', '.join(words[:-1])} and {words[-1]}"


@lru_cache(maxsize=4096)
def layer_of_path(module: str) -> Layer | None:
    """Return the layer that a dotted module path says, read from its end."""
    if _under(module, _OUR_NEUTRAL):
        return None
    if module == "nexios.config":
        return Layer.APPLICATION
    parts = module.split(".")
    if parts[-1] in _COMPOSING_FILES:
        return Layer.COMPOSITION
    for index in range(len(parts) - 1, -1, -1):
        match parts[index]:
            case "domain":
                return Layer.DOMAIN
            case "application":
                return Layer.APPLICATION
            case "adapters":
                below = parts[index + 1] if index + 1 < len(parts) else ""
                return _ADAPTERS.get(below, Layer.INFRASTRUCTURE)
    return None


class LayerMap:
    """Tells the layer of any class or function.

    The first that answers: what was declared, the place of its module, its mark
    (``__nexios_layer__``, nearest in the method resolution order), a well-known package, the
    layer of the module that binds it. Builtins, the standard library and pydantic are neutral.
    """

    def __init__(self, declared: Mapping[str, Layer] | None = None) -> None:
        """Take the declared layers.

        Args:
            declared: Dotted path of a package, module or object to its layer; the longest path
                that fits holds.
        """
        longest_first = sorted((declared or {}).items(), key=lambda item: -len(item[0]))
        self._declared: Sequence[tuple[str, Layer]] = tuple(longest_first)

    def of(self, obj: object, bound_in: Layer | None = None) -> Layer | None:
        """Return the layer of a class, function or generic alias; None when it is neutral.

        Args:
            obj: What asks or is asked for.
            bound_in: The ``layer=`` of the module that binds it.
        """
        return self.placed(obj, bound_in)[0]

    def of_module(self, module: str) -> Layer | None:
        """Return the layer of a dotted module path: as declared, else as its place says."""
        for path, layer in self._declared:
            if _under(module, (path,)):
                return layer
        return layer_of_path(module)

    def placed(self, obj: object, bound_in: Layer | None = None) -> tuple[Layer | None, Because]:
        """Return what ``of`` does, and what said so."""
        target = get_origin(obj) or obj
        module = getattr(target, "__module__", None)
        if not isinstance(module, str):
            return _bound(bound_in)
        full = f"{module}.{getattr(target, '__qualname__', '')}"
        for path, layer in self._declared:
            if _under(full, (path,)):
                return layer, Because.DECLARED
        top = module.partition(".")[0]
        if _is_neutral(top):
            return None, Because.STANDARD
        placed = layer_of_path(module)
        if placed is not None:
            return placed, Because.PLACE
        if _under(module, _OUR_NEUTRAL):
            return None, Because.NOTHING
        mark = getattr(target, "__nexios_layer__", None)
        if isinstance(mark, str):
            return Layer(mark), Because.MARK
        known = _WELL_KNOWN.get(top)
        return _bound(bound_in) if known is None else (known, Because.PACKAGE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a layer rule is broken.

    Attributes:
        code: ``NX101`` and on; stable.
        says: What is wrong, one line.
        file: Path as given to the check.
        line: First line that shows it; 0 when there is none.
        chain: How it comes about, one step each, with file and line.
        fix: What mends it.
    """

    code: str
    says: str
    file: str
    line: int
    fix: str
    chain: tuple[str, ...] = ()

    def __str__(self) -> str:
        steps = "".join(f"\n  {step}" for step in self.chain)
        return f"{self.file}:{self.line} {self.code} {self.says}{steps}\n  fix: {self.fix}"


def _bound(layer: Layer | None) -> tuple[Layer | None, Because]:
    return layer, Because.NOTHING if layer is None else Because.MODULE


def _under(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(f"{root}.") for root in roots)


def _is_neutral(top: str) -> bool:
    # A script's own classes live in __main__, which the standard library's list names too.
    return top in _NEUTRAL or (top in sys.stdlib_module_names and top != "__main__")

"""Bags of values: the state of a request, and the values of its path."""

from collections.abc import Iterator, Mapping
from typing import Any


class State:
    """Values as attributes. A missing one is None; reading falls back, writing never does.

    Values are ``Any``: the bag is the user's, and only the user knows what is in it.
    """

    __slots__ = ("_fallbacks", "_own")

    _own: dict[str, Any]
    _fallbacks: tuple[Mapping[str, Any], ...]

    def __init__(self, own: dict[str, Any] | None = None, *fallbacks: Mapping[str, Any]) -> None:
        """Hold ``own`` values and read from ``fallbacks``, nearest first, what is not in them."""
        object.__setattr__(self, "_own", {} if own is None else own)
        object.__setattr__(self, "_fallbacks", fallbacks)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._own[name] = value

    def __delattr__(self, name: str) -> None:
        self._own.pop(name, None)

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._own[name] = value

    def __delitem__(self, name: str) -> None:
        self._own.pop(name, None)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the own value, else that of the nearest fallback, else ``default``."""
        if name in self._own:
            return self._own[name]
        for fallback in self._fallbacks:
            if name in fallback:
                return fallback[name]
        return default

    def update(self, values: Mapping[str, Any]) -> None:
        """Set many own values."""
        self._own.update(values)

    def __contains__(self, name: object) -> bool:
        return name in self._own or any(name in fallback for fallback in self._fallbacks)

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return everything that can be read here, as a copy."""
        merged: dict[str, Any] = {}
        for fallback in reversed(self._fallbacks):
            merged.update(fallback)
        merged.update(self._own)
        return merged

    def __repr__(self) -> str:
        # Values may be secrets or connections; their names are enough to find a mistake.
        return f"State({', '.join(sorted(self._own))})"


class RouteParam(dict[str, Any]):
    """The values of the path, by name or as attributes; a missing one is None.

    Values are ``Any``: each converter makes its own type.
    """

    __slots__ = ()

    def __missing__(self, key: str) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

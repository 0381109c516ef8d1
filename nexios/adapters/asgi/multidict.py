"""Mappings whose keys may have several values; plain access gives the last."""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, Self, TypeVar
from urllib.parse import unquote_plus, urlencode

from nexios.adapters.asgi.errors import NulInQuery, TooManyQueryFields

V = TypeVar("V")


class ImmutableMultiDict(Mapping[str, V]):
    """Pairs in their order. ``d["a"]`` is the last value of ``a``, ``getlist("a")`` all."""

    __slots__ = ("_last", "_pairs")

    def __init__(self, source: Mapping[str, V] | Iterable[tuple[str, V]] = ()) -> None:
        """Read pairs or a mapping; another multi-value mapping is taken with all its values."""
        self._pairs: list[tuple[str, V]]
        if isinstance(source, ImmutableMultiDict):
            self._pairs = list(source.multi_items())
        elif isinstance(source, Mapping):
            self._pairs = list(source.items())
        else:
            self._pairs = list(source)
        self._last: dict[str, V] = dict(self._pairs)

    def __getitem__(self, key: str) -> V:
        return self._last[key]

    def __contains__(self, key: object) -> bool:
        return key in self._last

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    def items(self) -> ItemsView[str, V]:
        """Return each key once with its last value."""
        return self._last.items()

    def values(self) -> ValuesView[V]:
        """Return the last value of each key."""
        return self._last.values()

    def getlist(self, key: str) -> list[V]:
        """Return all values of ``key``, in order; empty when it is absent."""
        return [value for name, value in self._pairs if name == key]

    def multi_items(self) -> list[tuple[str, V]]:
        """Return every pair, repeated keys included, in order."""
        return list(self._pairs)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ImmutableMultiDict):
            return sorted(map(repr, self._pairs)) == sorted(map(repr, other.multi_items()))
        if isinstance(other, Mapping):
            return self._last == dict(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a MultiDict changes; one rule for both

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pairs!r})"


class MultiDict(ImmutableMultiDict[V]):
    """The same, to be changed."""

    __slots__ = ()

    def __setitem__(self, key: str, value: V) -> None:
        """Replace all values of ``key`` by one."""
        self.setlist(key, [value])

    def __delitem__(self, key: str) -> None:
        del self._last[key]
        self._pairs[:] = [pair for pair in self._pairs if pair[0] != key]

    def append(self, key: str, value: V) -> None:
        """Add a value beside those present."""
        self._pairs.append((key, value))
        self._last[key] = value

    def setlist(self, key: str, values: Iterable[V]) -> None:
        """Replace all values of ``key``; with no values the key is gone."""
        fresh = [(key, value) for value in values]
        self._pairs[:] = [pair for pair in self._pairs if pair[0] != key] + fresh
        self._last = dict(self._pairs)

    def pop(self, key: str, default: V | None = None) -> V | None:
        """Remove all values of ``key`` and return the last, or ``default``."""
        if key not in self._last:
            return default
        value = self._last[key]
        del self[key]
        return value

    def poplist(self, key: str) -> list[V]:
        """Remove all values of ``key`` and return them."""
        values = self.getlist(key)
        if values:
            del self[key]
        return values

    def setdefault(self, key: str, default: V) -> V:
        """Return the last value of ``key``, setting ``default`` when it is absent."""
        if key not in self._last:
            self.append(key, default)
        return self._last[key]

    def update(self, other: Mapping[str, V] | Iterable[tuple[str, V]]) -> None:
        """Replace the values of every key of ``other`` by those of ``other``."""
        added = ImmutableMultiDict(other)
        for key in added:
            self.setlist(key, added.getlist(key))

    def clear(self) -> None:
        """Remove everything."""
        self._pairs.clear()
        self._last.clear()


class FormData(ImmutableMultiDict[Any]):
    """The fields of a form in their order: texts, and files as ``UploadedFile``.

    Any, since only the application knows which name is which.
    """

    __slots__ = ()

    async def close(self) -> None:
        """Close every file; doing so twice does nothing more."""
        for _, value in self._pairs:
            if not isinstance(value, str):
                await value.close()


class QueryParams(ImmutableMultiDict[str]):
    """The fields of a query string, decoded. A name without ``=`` has the value ``""``."""

    __slots__ = ()

    @classmethod
    def parse(cls, query: str | bytes, *, limit: int | None = None) -> Self:
        """Read ``application/x-www-form-urlencoded`` text; bad UTF-8 becomes U+FFFD.

        Args:
            query: What stands behind the ``?``.
            limit: The number of fields that is still accepted.

        Raises:
            TooManyQueryFields: There are more than ``limit``. Nothing has been decoded.
            NulInQuery: There is a U+0000. As above.
        """
        text = query.decode("utf-8", "replace") if isinstance(query, bytes) else query
        if not text:
            return cls()
        if limit is not None and text.count("&") >= limit:
            raise TooManyQueryFields(limit)
        if "%00" in text or "\x00" in text:
            raise NulInQuery
        pairs = []
        for field in text.split("&"):
            if field:
                name, _, value = field.partition("=")
                pairs.append((_decode(name), _decode(value)))
        return cls(pairs)

    def __str__(self) -> str:
        return urlencode(self._pairs)


def _decode(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text

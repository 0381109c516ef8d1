"""Header fields of a request, to be read, and of an answer, to be changed."""

import re
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from functools import lru_cache
from typing import Final, TypeVar, overload

from nexios.adapters.asgi.errors import WireError
from nexios.adapters.asgi.types import RawHeader

D = TypeVar("D")

# RFC 9110, 5.6.2, less the underscore: proxies fold it into "-", so two names would be one.
_NAME: Final = re.compile(r"[!#$%&'*+\-.^`|~0-9A-Za-z]+")
# RFC 9110, 5.5: no control character but the tab.
_BAD_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


_RAW_NAME: Final = re.compile(_NAME.pattern.encode())


class InvalidHeader(WireError, ValueError):
    """A header name or value that must not go out: it could start a header of its own."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(name, reason)

    def __str__(self) -> str:
        return f"header {self.name!r} was refused: {self.reason}"


@lru_cache(maxsize=512)
def is_field_name(name: bytes) -> bool:
    """Tell whether a name from the wire is one we would send ourselves."""
    return _RAW_NAME.fullmatch(name) is not None


@lru_cache(maxsize=512)
def encode_name(name: str) -> bytes:
    """Return the name in lower case as bytes.

    Raises:
        InvalidHeader: It is no token of RFC 9110, 5.6.2, holds an underscore, or says where a
            message ends, which is the server's business (RFC 9112, 6.1).
    """
    if name.lower() == "transfer-encoding":
        raise InvalidHeader(name, "the server says where an answer ends; stream it instead")
    if _NAME.fullmatch(name) is None:
        raise InvalidHeader(name, "a name is letters, digits and !#$%&'*+-.^`|~")
    return name.lower().encode("ascii")


def encode_value(name: str, value: str) -> bytes:
    """Return the value as bytes (latin-1); ``name`` is for the error.

    Raises:
        InvalidHeader: It holds a control character, or one outside latin-1.
    """
    if _BAD_VALUE.search(value) is not None:
        raise InvalidHeader(name, "a value holds no CR, LF, NUL or other control character")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        raise InvalidHeader(name, "a value is latin-1 text; encode other text first") from None


class Headers(Mapping[str, str | None]):
    """The header fields of a message, read without regard to case.

    ``headers["missing"]`` is None; ``headers["x"]`` is the last of several fields, ``getlist``
    gives all. Reading one field scans the raw pairs: no dict is made.
    """

    __slots__ = ("raw",)

    def __init__(self, source: Mapping[str, str] | Iterable[RawHeader] | None = None) -> None:
        """Read ``source``: names to values, or raw pairs, which are kept and not copied.

        Raises:
            InvalidHeader: A name or value of a mapping cannot be a header.
        """
        self.raw: list[RawHeader]
        if source is None:
            self.raw = []
        elif isinstance(source, Mapping):
            self.raw = [(encode_name(key), encode_value(key, source[key])) for key in source]
        else:
            self.raw = source if isinstance(source, list) else list(source)

    def __getitem__(self, key: str) -> str | None:
        wanted = key.lower().encode("latin-1", "replace")
        for name, value in reversed(self.raw):
            if name == wanted:
                return value.decode("latin-1")
        return None

    @overload
    def get(self, key: str) -> str | None: ...
    @overload
    def get(self, key: str, default: D) -> str | D: ...
    def get(self, key: str, default: object = None) -> object:
        """Return the last value of ``key``, or ``default`` when the field is absent."""
        found = self[key]
        return default if found is None else found

    def getlist(self, key: str) -> list[str]:
        """Return all values of ``key``, in the order of the wire."""
        wanted = key.lower().encode("latin-1", "replace")
        return [value.decode("latin-1") for name, value in self.raw if name == wanted]

    def multi_items(self) -> list[tuple[str, str]]:
        """Return every field, repeated names included, in the order of the wire."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw]

    def items(self) -> ItemsView[str, str]:
        """Return each name once with its last value."""
        return dict(self.multi_items()).items()

    def values(self) -> ValuesView[str]:
        """Return the last value of each name."""
        return dict(self.multi_items()).values()

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self[key] is not None

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.multi_items()))

    def __len__(self) -> int:
        return len({name for name, _ in self.raw})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return sorted(self.raw) == sorted(other.raw)

    __hash__ = None  # type: ignore[assignment]  # the raw list may change underneath

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.multi_items()!r})"


class MutableHeaders(Headers):
    """Header fields that can be set. What could break out of its line is refused."""

    __slots__ = ()

    def __setitem__(self, key: str, value: str) -> None:
        """Replace every field of that name by one, at the place of the first."""
        name = encode_name(key)
        field = (name, encode_value(key, value))
        raw = self.raw
        for index, (present, _) in enumerate(raw):
            if present == name:
                raw[index] = field
                raw[index + 1 :] = [pair for pair in raw[index + 1 :] if pair[0] != name]
                return
        raw.append(field)

    def __delitem__(self, key: str) -> None:
        """Remove every field of that name; an absent one is no error."""
        name = encode_name(key)
        self.raw[:] = [pair for pair in self.raw if pair[0] != name]

    def append(self, key: str, value: str) -> None:
        """Add a field beside those of the same name."""
        self.raw.append((encode_name(key), encode_value(key, value)))

    def setdefault(self, key: str, value: str) -> str:
        """Set the field when it is absent, and return what it is now."""
        found = self[key]
        if found is None:
            self.append(key, value)
            return value
        return found

    def update(self, fields: Mapping[str, str]) -> None:
        """Set each field, replacing those present."""
        for key, value in fields.items():
            self[key] = value

    def add_vary(self, name: str) -> None:
        """Name a request header the answer depends on, once (RFC 9110, 12.5.5)."""
        encode_value("vary", name)
        present = [part.strip() for value in self.getlist("vary") for part in value.split(",")]
        known = {part.lower() for part in present}
        if "*" in known:
            return
        fresh = [
            part
            for part in (text.strip() for text in name.split(","))
            if part and part.lower() not in known
        ]
        if fresh:
            self["vary"] = ", ".join([part for part in present if part] + fresh)

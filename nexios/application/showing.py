"""Shows values and texts to people: short, without secrets, and calling nothing of their own."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final

from nexios.application.scrub import MASK, is_secret, scrubbed

DEPTH: Final = 3
LONGEST: Final = 4000
_ITEMS: Final = 8
_CHARS: Final = 200
_SCALARS: Final = (str, bytes, int, float, complex, bool, type(None))
# Control characters but line end and tab, and what changes the direction of what follows.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def shown(value: object, depth: int = DEPTH) -> str:
    """Return a short text of a value; of objects that cannot be looked into only their class."""
    try:
        return _shown(value, depth)
    except Exception:
        # A mapping of the application's own, say, whose items cannot be listed just now.
        return f"<{type(value).__qualname__}>"


def _shown(value: object, depth: int) -> str:
    if isinstance(value, _SCALARS):
        return cut(fit(repr(value)))
    kind = type(value).__qualname__
    if depth == 0:
        return f"<{kind}>"
    if isinstance(value, Mapping):
        pairs = list(_first(value.items()))
        return cut("{" + ", ".join(_pair(name, part, depth) for name, part in pairs) + "}")
    if isinstance(value, (list, tuple, set, frozenset)):
        return cut("[" + ", ".join(_item(part, depth) for part in _first(value)) + "]")
    fields = _fields(value)
    if fields is None:
        return f"<{kind}>"
    inner = (f"{name}={shown_as(name, part, depth)}" for name, part in fields)
    return cut(f"{kind}({', '.join(inner)})")


def _pair(name: object, part: object, depth: int) -> str:
    return f"{shown(name, 0)}: {shown_as(name, part, depth)}"


def _item(part: object, depth: int) -> str:
    # A header or form field as a pair of name and value.
    if isinstance(part, tuple) and len(part) == 2 and is_secret(part[0]):
        return f"[{shown(part[0], 0)}, {MASK}]"
    return shown(part, depth - 1)


def shown_as(name: object, part: object, depth: int = DEPTH) -> str:
    """Return a short text of a value that stands under a name."""
    return MASK if is_secret(name) else shown(part, depth - 1)


def _fields(value: object) -> list[tuple[str, object]] | None:
    names = getattr(type(value), "model_fields", None)
    if names is None and dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
    if names is None:
        return None
    held: dict[str, Any] = getattr(value, "__dict__", {})
    return [(name, held.get(name, MASK)) for name in _first(names)]


def _first(items: Any) -> list[Any]:
    # Any: mappings, sets and lists are walked alike, and none of them to its end.
    return [item for item, _ in zip(items, range(_ITEMS), strict=False)]


def fit(text: str) -> str:
    """Return the text without secrets, and with everything in it seen."""
    # Longer than anything that is shown, so that no cut runs through a secret that is.
    return seen(scrubbed(text[: 2 * LONGEST]))


def seen(text: str) -> str:
    """Return the text with what cannot be seen, or moves what can, written as an escape."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cut(text: str, longest: int = _CHARS) -> str:
    """Return the text, or its beginning."""
    return text if len(text) <= longest else f"{text[:longest]}..."

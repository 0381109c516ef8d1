"""What a developer sees of an error: only with ``debug=True``, with secrets masked."""

import dataclasses
import linecache
from collections.abc import Mapping
from types import FrameType
from typing import Any, Final

from nexios.adapters.asgi.types import Scope
from nexios.adapters.http.problems import internal_error
from nexios.adapters.http.response import ProblemResponse

MASK: Final = "********"
_SECRET: Final = ("password", "secret", "token", "key", "authorization", "cookie")
_FRAMES: Final = 30
_LOCALS: Final = 24
_ITEMS: Final = 8
_DEPTH: Final = 3
_CHARS: Final = 200
_SCALARS: Final = (str, bytes, int, float, complex, bool, type(None))


def debug_problem(
    error: BaseException, scope: Scope, error_id: str, *, route: str | None = None
) -> ProblemResponse:
    """Return the 500 with what is known about it.

    The members beside those of every 500 are ``error`` (class, message, notes), ``causes``
    (the same of what led to it), ``frames`` (file, line, function, source, locals; the innermost
    last), ``route`` and ``request``.
    """
    members = {
        "error": _about(error),
        "causes": [_about(cause) for cause in _causes(error)],
        "frames": _frames(error),
        "route": route,
        "request": {
            "method": scope.get("method"),
            "headers": [
                [_text(name), MASK if is_secret(name) else _text(value)]
                for name, value in scope.get("headers", ())
            ],
        },
    }
    return internal_error(scope, error_id, members)


def is_secret(name: object) -> bool:
    """Return whether values of this name are masked."""
    text = _text(name).lower() if isinstance(name, (str, bytes)) else ""
    return any(word in text for word in _SECRET)


def shown(value: object, depth: int = _DEPTH) -> str:
    """Return a short text of a value; of objects that cannot be looked into only their class."""
    if isinstance(value, _SCALARS):
        return _cut(repr(value))
    kind = type(value).__qualname__
    if depth == 0:
        return f"<{kind}>"
    if isinstance(value, Mapping):
        pairs = list(_first(value.items()))
        return _cut("{" + ", ".join(_pair(name, part, depth) for name, part in pairs) + "}")
    if isinstance(value, (list, tuple, set, frozenset)):
        return _cut("[" + ", ".join(_item(part, depth) for part in _first(value)) + "]")
    fields = _fields(value)
    if fields is None:
        return f"<{kind}>"
    inner = (f"{name}={_masked(name, part, depth)}" for name, part in fields)
    return _cut(f"{kind}({', '.join(inner)})")


def _pair(name: object, part: object, depth: int) -> str:
    return f"{shown(name, 0)}: {_masked(name, part, depth)}"


def _item(part: object, depth: int) -> str:
    # A header or form field as a pair of name and value.
    if isinstance(part, tuple) and len(part) == 2 and is_secret(part[0]):
        return f"[{shown(part[0], 0)}, {MASK}]"
    return shown(part, depth - 1)


def _masked(name: object, part: object, depth: int) -> str:
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


def _about(error: BaseException) -> dict[str, object]:
    kind = type(error)
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
        "message": _cut(_safe_str(error), 2000),
        "notes": list(getattr(error, "__notes__", ())),
    }


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(causes) < _ITEMS:
        following = current.__cause__
        if following is None and not current.__suppress_context__:
            following = current.__context__
        if following is None or following in causes or following is error:
            break
        causes.append(following)
        current = following
    return causes


def _frames(error: BaseException) -> list[dict[str, object]]:
    frames: list[dict[str, object]] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(_frame(trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return frames[-_FRAMES:]


def _frame(frame: FrameType, line: int) -> dict[str, object]:
    code = frame.f_code
    held = list(frame.f_locals.items())[:_LOCALS]
    return {
        "file": code.co_filename,
        "line": line,
        "function": code.co_qualname,
        "source": linecache.getline(code.co_filename, line, frame.f_globals).strip(),
        "locals": {name: _masked(name, value, _DEPTH + 1) for name, value in held},
    }


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _safe_str(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its text cannot be made)"


def _cut(text: str, longest: int = _CHARS) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."

"""What a developer is told of an error: only with ``debug=True``, with secrets masked."""

import linecache
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any, Final
from urllib.parse import parse_qsl

from nexios.adapters.asgi.types import Scope
from nexios.application.scrub import MASK, is_secret, said_by
from nexios.application.showing import DEPTH, LONGEST, cut, fit, seen, shown_as
from nexios.container.places import Step

_FRAMES: Final = 30
_CAUSES: Final = 8
_LOCALS: Final = 24
_AROUND: Final = 3  # lines of source on either side of the one that failed
_LEAVES: Final = 10
# Of the scope, what stands elsewhere on the page or is no value of this request.
_ELSEWHERE: Final = frozenset(
    ("app", "base_app", "headers", "method", "path", "query_string", "raw_path", "extensions")
)

Facts = dict[str, Any]  # a JSON object


def facts_of(error: BaseException, scope: Scope, *, route: str | None = None) -> Facts:
    """Return what is known about an error, as members of its problem.

    ``error`` (class, message, notes, and of wiring errors who asked and the line that mends
    it), ``causes`` (the same of what led to it), ``leaves`` of a group, ``frames`` (file, line,
    function, source, locals; the innermost last), ``route``, ``request`` and the ASGI ``scope``
    at the time of the failure.
    """
    return {
        "error": _about(error),
        "causes": [_about(cause) for cause in _causes(error)],
        "leaves": [
            {**_about(leaf), "frames": frames_of(leaf)[-1:]} for leaf in _first_leaves(error)
        ],
        "frames": frames_of(error),
        "route": route,
        "request": _request(scope),
        "scope": {
            str(name): shown_as(name, value, DEPTH)
            for name, value in scope.items()
            if name not in _ELSEWHERE
        },
    }


def _request(scope: Scope) -> Facts:
    query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return {
        "method": scope.get("method"),
        "path": fit(_text(scope.get("path", ""))),
        "query": [[seen(name), _value(name, text)] for name, text in query],
        "headers": [
            [seen(_text(name)), _value(name, value)] for name, value in scope.get("headers", ())
        ],
    }


def _value(name: str | bytes, value: str | bytes) -> str:
    return MASK if is_secret(name) else cut(fit(_text(value)))


def _about(error: BaseException) -> Facts:
    kind = type(error)
    message = cut(seen(said_by(error)), LONGEST)
    about: Facts = {
        "class": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
        "message": message,
        "notes": [fit(str(note)) for note in getattr(error, "__notes__", ())],
    }
    steps = getattr(error, "asked_by", ())
    if isinstance(steps, Sequence) and steps and all(isinstance(one, Step) for one in steps):
        about["asked_by"] = [str(step).strip() for step in steps]
    lines = (line.strip() for line in message.splitlines())
    fixes = [line.removeprefix("fix:").strip() for line in lines if line.startswith("fix:")]
    if fixes:
        about["fix"] = fixes
    return about


def _first_leaves(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting = [error] if isinstance(error, BaseExceptionGroup) else []
    while waiting and len(found) < _LEAVES:
        for one in waiting.pop(0).exceptions:
            if isinstance(one, BaseExceptionGroup):
                waiting.append(one)
            else:
                found.append(one)
    return found[:_LEAVES]


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(causes) < _CAUSES:
        following = current.__cause__
        if following is None and not current.__suppress_context__:
            following = current.__context__
        if following is None or following in causes or following is error:
            break
        causes.append(following)
        current = following
    return causes


def frames_of(error: BaseException) -> list[Facts]:
    """Return file, line, function, source and locals of each frame, the innermost last."""
    return [_frame(trace.tb_frame, trace.tb_lineno) for trace in _traces(error)][-_FRAMES:]


def _traces(error: BaseException) -> Iterator[TracebackType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _frame(frame: FrameType, line: int) -> Facts:
    code = frame.f_code
    held = list(frame.f_locals.items())[:_LOCALS]
    lines = {
        number: linecache.getline(code.co_filename, number, frame.f_globals).rstrip()
        for number in range(max(1, line - _AROUND), line + _AROUND + 1)
    }
    return {
        "file": code.co_filename,
        "line": line,
        "function": code.co_qualname,
        "source": lines[line].strip(),
        "around": [[number, text] for number, text in lines.items() if text or number <= line],
        "locals": {name: shown_as(name, value, DEPTH + 1) for name, value in held},
    }


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)

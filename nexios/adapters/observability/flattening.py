"""Takes an error apart: what was raised, what led to it, where, and what names its group."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from nexios.application.scrub import said_by
from nexios.application.showing import LONGEST, cut, seen, shown_as
from nexios.application.tracking import Relation, ReportedError, ReportedFrame

_ERRORS: Final = 20
_FRAMES: Final = 50
_LOCALS: Final = 24
_INNERMOST: Final = 5
_BODIES: Final = frozenset(("body", "payload", "form", "json", "data", "raw", "content", "text"))
_HOUSE: Final = str(Path(__file__).parents[2])
_LIBRARIES: Final = ("site-packages", "dist-packages")
_FOREIGN: Final = (
    _HOUSE,
    "<",  # made by a library: templates, plans of the container
    str(Path(os.__file__).parent),  # the standard library
)


def flattened(error: BaseException, *, with_locals: bool = False) -> list[ReportedError]:
    """Return an error and all that led to it, at most 20, without secrets.

    Args:
        error: What was raised.
        with_locals: Tell the local variables of the application's own frames.
    """
    return [
        ReportedError(
            kind=kind_of(one),
            message=cut(seen(said_by(one)), LONGEST),
            relation=relation,
            frames=[_frame(*step, with_locals=with_locals) for step in _steps(one)[-_FRAMES:]],
        )
        for one, relation in _family(error)
    ]


def fingerprint_of(error: BaseException) -> str:
    """Return what errors of one type from one place of the application's code have in common."""
    parts = []
    for one, relation in _family(error):
        frames = [frame for frame, _ in _steps(one)]
        own = [frame for frame in frames if is_own(frame.f_code.co_filename)]
        # An error from within a library is the application's fault where that was called.
        places = [_place(frame) for frame in (own or frames)[-_INNERMOST:]]
        parts += [relation, kind_of(one), *places]
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:16]


def kind_of(error: BaseException) -> str:
    """Return the name of an error's class, with its module unless that is Python itself."""
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def is_own(file: str) -> bool:
    """Return whether a file holds code of the application."""
    return not file.startswith(_FOREIGN) and not any(part in file for part in _LIBRARIES)


def _family(error: BaseException) -> Iterator[tuple[BaseException, Relation]]:
    seen_already: set[int] = set()
    waiting: list[tuple[BaseException, Relation]] = [(error, "raised")]
    while waiting and len(seen_already) < _ERRORS:
        one, relation = waiting.pop(0)
        if id(one) in seen_already:
            continue
        seen_already.add(id(one))
        yield one, relation
        if one.__cause__ is not None:
            waiting.append((one.__cause__, "cause"))
        elif one.__context__ is not None and not one.__suppress_context__:
            waiting.append((one.__context__, "context"))
        if isinstance(one, BaseExceptionGroup):
            waiting += [(member, "member") for member in one.exceptions]


def _steps(error: BaseException) -> list[tuple[FrameType, int]]:
    steps, trace = [], error.__traceback__
    while trace is not None:
        steps.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return steps


def _place(frame: FrameType) -> str:
    module = frame.f_globals.get("__name__", "")
    return f"{module}:{frame.f_code.co_qualname}"


def _frame(frame: FrameType, line: int, *, with_locals: bool) -> ReportedFrame:
    code = frame.f_code
    own = is_own(code.co_filename)
    held = list(frame.f_locals.items())[:_LOCALS] if own and with_locals else []
    return ReportedFrame(
        file=code.co_filename,
        line=line,
        module=str(frame.f_globals.get("__name__", "")),
        function=code.co_qualname,
        own=own,
        locals={name: _local(name, value) for name, value in held},
    )


def _local(name: str, value: object) -> str:
    # A body is never told, and by such names, or as bytes, it comes.
    if name.lower() in _BODIES or isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{type(value).__qualname__}>"
    return shown_as(name, value)

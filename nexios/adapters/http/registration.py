"""Where something was registered: its line, and the names known there."""

import inspect
import sys
from types import FrameType
from typing import Any, ForwardRef

from typing_extensions import evaluate_forward_ref


def caller() -> FrameType | None:
    """Return the nearest frame outside of the framework."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # inspect.stack reads every file
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name != "nexios" and not name.startswith("nexios."):
            return frame
        frame = frame.f_back
    return None


def line_of(frame: FrameType | None) -> str:
    """Return ``file:line`` of a frame."""
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def takes(call: Any, count: int) -> bool:
    """Return whether a call with ``count`` positional arguments fits, as far as one can see."""
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return True  # of C code, which does not say
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def evaluate_local_names(function: Any, frame: FrameType | None) -> None:
    """Evaluate postponed annotations that only the registering function can.

    With ``from __future__ import annotations`` a model defined inside a function is a text that
    nobody can read afterwards. Texts that the module can read are left as they are.
    """
    hints = getattr(function, "__annotations__", None)
    if frame is None or not hints or frame.f_locals is frame.f_globals:
        return
    texts = [name for name, hint in hints.items() if isinstance(hint, str)]
    if not texts:
        return
    names = _names_in(frame)
    for name in texts:
        known: dict[str, Any] = getattr(function, "__globals__", {})
        if _evaluate(hints[name], known, {}) is None:
            found = _evaluate(hints[name], known, names)
            if found is not None:
                hints[name] = found


def _names_in(frame: FrameType) -> dict[str, Any]:
    names = dict(frame.f_locals)
    # The body of a class sees the function around it.
    while "__qualname__" in frame.f_locals and frame.f_back is not None:
        frame = frame.f_back
        if frame.f_locals is not frame.f_globals:
            names = {**frame.f_locals, **names}
    return names


def _evaluate(text: str, known: dict[str, Any], names: dict[str, Any]) -> Any:
    try:
        return evaluate_forward_ref(ForwardRef(text), globals=known, locals=names)
    except Exception:  # an annotation may be any expression; the container names what it lacks
        return None

"""Answers for pydantic's ``ValidationError`` where the application's own code raised it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request

Style = Literal["nested", "flat", "list"]


class HandlesErrors(Protocol):
    """An app or a router."""

    def add_exception_handler(
        self, error: type[BaseException], handler: Callable[..., Any], /
    ) -> Any:
        """Let ``handler`` answer for errors of this class."""


def add_pydantic_error_handler(
    app: HandlesErrors, style: Style = "nested", status_code: int = 400
) -> None:
    """Answer a ``ValidationError`` that a handler or service raised, with its faults.

    What is wrong with a request itself is a 422 already and never comes here. The values that
    failed are not shown.

    Args:
        app: The app, or a router for its routes alone.
        style: How ``errors`` looks. ``nested``: objects as deep as the fault; ``flat``: dotted
            names to texts; ``list``: ``{"field", "message"}`` for each fault.
        status_code: Of the answer.

    Raises:
        ValueError: There is no such style.
    """
    shape = _SHAPES.get(style)
    if shape is None:
        raise ValueError(f"there is no style {style!r}; known: {', '.join(_SHAPES)}")

    async def answer(_request: Request, response: Response, error: ValidationError) -> Response:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        return response.json({"error": "Validation Error", "errors": shape(faults)}, status_code)

    app.add_exception_handler(ValidationError, answer)


def _nested(faults: list[ErrorDetails]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for fault in faults:
        *path, last = (str(part) for part in fault["loc"] or ("",))
        node = root
        for part in path:
            below = node.get(part)
            if not isinstance(below, dict):
                # A fault of the whole stands beside those of its parts under the empty name.
                below = node[part] = {} if below is None else {"": below}
            node = below
        if isinstance(node.get(last), dict):
            node[last][""] = fault["msg"]
        else:
            node[last] = fault["msg"]
    return root


def _flat(faults: list[ErrorDetails]) -> dict[str, str]:
    return {_dotted(fault): fault["msg"] for fault in faults}


def _list(faults: list[ErrorDetails]) -> list[dict[str, str]]:
    return [{"field": _dotted(fault), "message": fault["msg"]} for fault in faults]


def _dotted(fault: ErrorDetails) -> str:
    return ".".join(map(str, fault["loc"]))


_SHAPES: Final[Mapping[str, Callable[[list[ErrorDetails]], object]]] = {
    "nested": _nested,
    "flat": _flat,
    "list": _list,
}

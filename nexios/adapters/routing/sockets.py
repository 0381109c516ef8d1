"""A noted WebSocket route: what a router keeps until the app hands it to its gateway."""

from collections.abc import Callable
from dataclasses import field
from typing import Any

from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """Path, handler and options of one socket route.

    Attributes:
        handler: A function or a controller class; its parameters are its own, hence ``Any``.
        options: As given to the decorator; the WebSocket room knows which there are.
        where: The line it was registered at, for error texts.
    """

    path: str
    handler: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)
    where: str = ""

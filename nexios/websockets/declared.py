"""What a channel is declared to be, and where."""

import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pydantic

from nexios.adapters.websocket.socket import WebSocket
from nexios.websockets.options import History, Overflow, WhenDegraded

Joining = Callable[[WebSocket, str | None], Awaitable[None]]
"""Asked whether a socket may be in a group, None for the channel itself; raising refuses."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Spec:
    """What was declared; the hub compares it by ``options``."""

    __slots__ = (
        "adapter",
        "history",
        "joining",
        "key",
        "message",
        "name",
        "overflow",
        "place",
        "presence",
        "users",
        "when_degraded",
    )

    def __init__(
        self,
        name: str,
        message: Any,
        key: Callable[[Any], str] | None,
        overflow: Overflow,
        history: History,
        *,
        presence: bool,
        when_degraded: WhenDegraded,
        joining: Joining | None = None,
        users: bool = False,
    ) -> None:
        if _NAME.fullmatch(name) is None:
            raise ValueError(
                f"{name!r} is no channel name: up to 64 of a-z 0-9 . _ -, beginning with a letter "
                f"or digit; what users name belongs in a group: Channel(...).group({name!r})"
            )
        self.name = name
        self.message = message
        self.key = key
        self.overflow = overflow
        self.history = history
        self.presence = presence
        self.when_degraded = when_degraded
        self.joining = joining
        self.users = users
        self.adapter = None if message is None else pydantic.TypeAdapter[Any](message)
        self.place = _place()

    @property
    def options(self) -> tuple[object, ...]:
        """What has to be the same in every declaration of one name."""
        return (
            self.message,
            self.key,
            self.overflow,
            self.history,
            self.presence,
            self.when_degraded,
            self.joining,
            self.users,
        )


_OURS: Final = (__name__, "nexios.websockets.channel", "typing")


def _place() -> str:
    """Return file and line of the declaration, past our own files and generic aliases."""
    frame = sys._getframe(1)  # noqa: SLF001  # the documented CPython call, as in `warnings`
    while frame.f_back is not None and frame.f_globals.get("__name__") in _OURS:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"

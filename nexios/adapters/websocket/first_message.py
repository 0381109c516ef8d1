"""Credentials in messages: `{"type": "auth", "token": ...}`, the first and fresh ones later."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol, runtime_checkable

import anyio
from pydantic_core import from_json

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.session import Session
from nexios.adapters.asgi.types import Message
from nexios.adapters.websocket.carriers import TICKET, with_bearer
from nexios.adapters.websocket.closing import WebSocketException
from nexios.adapters.websocket.hearing import HearingLine

ESTABLISHED: Final = (
    "identity",
    "user",
    "auth",
    "caller",
    "broken_identity",
    "nexios.credential",
    "nexios.cookie_proof",
    "nexios.challenges",
)
"""The scope's keys that say who is calling (auth/identity.py)."""

# Neither what the handshake proved nor what browsers send by themselves speaks for a token.
_FORGOTTEN: Final = {*ESTABLISHED, TICKET} - {"caller"}

_FRAME: Final = 64
"""Room for what stands around a token."""


@runtime_checkable
class Identifies(Protocol):
    """A middleware that finds out who is calling, and whom it can be asked again for."""

    async def identify(self, connection: Connection) -> None:
        """Write into the scope who is calling."""
        ...


class FirstMessage:
    """Asks for the credentials of one app's sockets in their messages.

    Attributes:
        able: Whether anybody here knows what a token is worth.
    """

    def __init__(self, middleware: Iterable[object]) -> None:
        """Find who can tell what a token is worth."""
        self._asked = tuple(one for one in middleware if isinstance(one, Identifies))
        self.able = bool(self._asked)

    async def __call__(
        self, socket: HearingLine, timeout_s: float, counted: Callable[[], None]
    ) -> None:
        """Wait for the first message and establish the caller; watch for fresh credentials then.

        Args:
            counted: Called once the caller is known; raises to refuse it.

        Raises:
            WebSocketException: 4408 when nothing came in time, 4401 when it proves nobody.
        """
        message: Message | None = None
        with anyio.move_on_after(timeout_s):
            message = await socket.receive()
        if message is None:
            raise WebSocketException(4408, "no credentials came in time")
        token = _token_in(message, socket.limits.token_bytes)
        if token is None:
            raise WebSocketException(4401, "credentials are expected first")
        socket.scope.update(await self._established(socket, token))
        counted()
        socket.screen = self._screening(socket)

    def _screening(self, socket: HearingLine) -> Callable[[Message], Awaitable[bool]]:
        async def screen(message: Message) -> bool:
            text = message.get("text")
            if text is None or len(text) > socket.limits.token_bytes + _FRAME:
                return False
            if '"auth"' not in text:
                return False
            token = _token_in(message, socket.limits.token_bytes)
            if token is None:
                return False
            try:
                fresh = await self._established(socket, token)
            except WebSocketException as refused:
                await socket.refuse(refused.code, refused.reason)
            if fresh["caller"].actor != socket.caller.actor:
                await socket.refuse(4403, "these are the credentials of somebody else")
            socket.scope.update(fresh)
            return True

        return screen

    async def _established(self, socket: HearingLine, token: str) -> dict[str, Any]:
        """Return what the scope has to say about the one whose token this is."""
        before = {key: socket.scope[key] for key in socket.scope if key not in _FORGOTTEN}
        if "session" in before:
            before["session"] = Session(read_only=True)
        asked = Connection(with_bearer(before, token), limits=socket.limits)
        for one in self._asked:
            await one.identify(asked)
        if "broken_identity" in asked.scope:
            raise WebSocketException(1013, "credentials cannot be checked now")
        if "user" not in asked.scope:
            raise WebSocketException(4401, "the credentials are not valid")
        return {key: asked.scope[key] for key in ESTABLISHED if key in asked.scope}


def _token_in(message: Message, most: int) -> str | None:
    """Return the token of an ``auth`` frame, None for every other message."""
    payload = message.get("text")
    if payload is None:
        payload = message.get("bytes") or b""
    if len(payload) > most + _FRAME:
        return None
    try:
        frame = from_json(payload)
    except ValueError:
        return None
    token = frame.get("token") if isinstance(frame, dict) else None
    return token if isinstance(token, str) and token and frame.get("type") == "auth" else None

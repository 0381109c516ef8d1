"""The life of one controller's socket: connect, messages one at a time, disconnect once."""

from collections.abc import Callable
from dataclasses import field
from typing import Any

import anyio

from nexios.adapters.websocket.closing import (
    FAULT,
    WebSocketDisconnect,
    WebSocketException,
    leading_error,
    meaning_of,
)
from nexios.adapters.websocket.inputs import Inputs
from nexios.adapters.websocket.messages import Plain, ref_of
from nexios.adapters.websocket.protocol import SocketState
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.errors import TimedOut
from nexios.container.entry import EntryPoint
from nexios.container.scope import ScopeContext
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class Occasion:
    """What one method of a controller is called for."""

    message: Any = None
    code: int = 1000
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a method can be told beside the handshake: a message, or how the socket ended."""

    model: Any = None
    ending: bool = False


@dataclass(slots=True)
class Life:
    """Runs a controller for one socket after another; holds settings and no socket.

    Attributes:
        takes: Type of the messages: ``Plain`` text or bytes, a model, a union of tagged models,
            ``Any`` for JSON; None when they are dropped.
        methods: Model to entry; the one under None takes all.
        inputs: What the methods read from the handshake.
        message_s: Time for one message.
        finish_s: Time for ``on_disconnect``.
    """

    takes: Any = None
    connect: EntryPoint | None = None
    disconnect: EntryPoint | None = None
    methods: dict[Any, EntryPoint] = field(default_factory=dict)
    inputs: list[Inputs] = field(default_factory=list)
    message_s: float | None = 30.0
    finish_s: float = 5.0

    def target(self) -> Callable[..., Any]:
        """Return the function the CONNECTION entry calls with the finished controller."""

        async def live(_self: object, websocket: WebSocket, scope: ScopeContext) -> None:
            await self.run(websocket, scope)

        return live

    async def run(self, socket: WebSocket, scope: ScopeContext) -> None:
        """Serve one socket to its end.

        Raises:
            Exception: What ended it; the gateway answers.
        """
        for inputs in self.inputs:  # bad values are a denial, not a surprise at the first message
            inputs.check(socket)
        error: BaseException | None = None
        try:
            if self.connect is not None:
                await self._call(socket, scope, self.connect, Occasion())
            if socket.protocol.state is SocketState.CONNECTING:
                await socket.accept()
            while True:
                await self._one(socket, scope)
        except BaseException as raised:
            error = raised
            raise
        finally:
            if self.disconnect is not None:
                await self._say_goodbye(socket, scope, self.disconnect, error)

    async def _say_goodbye(
        self,
        socket: WebSocket,
        scope: ScopeContext,
        point: EntryPoint,
        error: BaseException | None,
    ) -> None:
        """Run `on_disconnect`. What it raises is told, and never hides how the socket ended."""
        try:
            with anyio.move_on_after(self.finish_s, shield=True):
                await self._call(socket, scope, point, _ending(socket, error))
        except (WebSocketDisconnect, WebSocketException):
            pass  # the socket is over; there is nobody to send to, and nothing to close
        except Exception as late:
            if socket.on_fault is not None:
                socket.on_fault(socket, late)

    async def _one(self, socket: WebSocket, scope: ScopeContext) -> None:
        """Take one message and answer it."""
        message = await self._receive(socket)
        point = self.methods.get(type(message)) or self.methods.get(None)
        if point is None:
            return
        try:
            with anyio.move_on_after(self.message_s) as limit:
                reply = await self._call(socket, scope, point, Occasion(message))
            if limit.cancelled_caught:
                raise TimedOut("the message took too long")
        except (WebSocketDisconnect, WebSocketException):
            raise
        except Exception as raised:
            await self._answer(socket, leading_error(raised), raised, ref_of(message))
            return
        await _reply(socket, reply)

    async def _receive(self, socket: WebSocket) -> Any:
        takes = self.takes
        if takes is None:
            return await socket.receive()
        if isinstance(takes, Plain):
            return await socket.receive_plain(takes)
        return await (socket.receive_json() if takes is Any else socket.receive_as(takes))

    async def _answer(
        self, socket: WebSocket, error: BaseException, raised: Exception, ref: str | int | None
    ) -> None:
        row = meaning_of(error)
        if row is FAULT:
            raise raised
        if row.in_message is not None:
            raise WebSocketException(row.in_message, getattr(error, "message", "")) from raised
        await socket.send_error(error, ref)

    @staticmethod
    async def _call(
        socket: WebSocket, scope: ScopeContext, point: EntryPoint, occasion: Occasion
    ) -> Any:
        plan = socket.entries[point].plan
        result: Any = plan.call(socket, scope, occasion)
        return await result if plan.awaits else result


async def _reply(socket: WebSocket, reply: Any) -> None:
    if reply is None:
        return
    if isinstance(reply, str):
        await socket.send_text(reply)
    elif isinstance(reply, bytes):
        await socket.send_bytes(reply)
    else:
        await socket.send_json(reply)


def _ending(socket: WebSocket, error: BaseException | None) -> Occasion:
    """Return how the socket ended, or will once the gateway has answered for the error."""
    protocol = socket.protocol
    if protocol.code is not None:
        return Occasion(code=protocol.code, reason=protocol.reason)
    if isinstance(error, WebSocketException):
        return Occasion(code=error.code, reason=error.reason)
    return Occasion(code=1011 if error is None else meaning_of(leading_error(error)).in_body)

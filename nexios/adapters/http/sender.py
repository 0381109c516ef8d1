"""Sends answers that write their own messages: files, streams, other applications'."""

from collections.abc import Sequence

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.headers import MutableHeaders
from nexios.adapters.asgi.types import Message, RawHeader
from nexios.adapters.http.builder import Hook
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.files import FileResponse
from nexios.adapters.http.response import BaseResponse
from nexios.adapters.http.sse import EventStream, OpenStreams
from nexios.adapters.http.stream import StreamingResponse


class PeerGone(ClientDisconnect, OSError):
    """The server said at ``send`` that the peer has left; an OSError by ASGI 2.4."""


class Sender:
    """A ``send`` that adds what the hooks want and closes the scope before the last message.

    Attributes:
        begun: Whether a head went out.
        status: Of the head; 0 before.
        whole: Whether the body came to its end.
    """

    __slots__ = ("_exchange", "begun", "status", "whole")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.begun = self.whole = False
        self.status = 0

    async def run(self, answer: BaseResponse, streams: OpenStreams) -> None:
        """Send ``answer``; the scope it was made in is closed with it, whatever happens.

        Raises:
            ClientDisconnect: The peer left before the end.
            Exception: What the answer or a clean-up of its scope raised.
        """
        exchange = self._exchange
        scope = exchange.scope
        try:
            if isinstance(answer, EventStream):
                await answer.send_until(streams, scope, exchange.departure, self)
            elif isinstance(answer, (StreamingResponse, FileResponse)):
                await answer(scope, exchange.departure, self)
            else:
                await answer(scope, exchange.receive_again(), self)
        except BaseException as error:
            await exchange.release(error)
            raise
        await exchange.release()

    async def __call__(self, message: Message) -> None:
        """Send one ASGI message."""
        kind = message["type"]
        exchange = self._exchange
        if kind == "http.response.start":
            self.begun = True
            self.status = message["status"]
            fields = list(message.get("headers", ()))
            builder = exchange.builder
            if builder is not None and builder.hooks:
                fields = hooked(fields, builder.hooks)
            # It may be a constant of a mounted application, and wrappers change what they get.
            message = {**message, "headers": fields}
        elif kind == "http.response.body":
            if exchange.held is not None and not message.get("more_body"):
                # A commit that fails now must not look like a body that came to its end.
                await exchange.release()
            if exchange.scope["method"] == "HEAD":
                # Many an application leaves this to its server (RFC 9110, 9.3.2).
                message = {**message, "body": b""}
        try:
            await exchange.send(message)
        except OSError as error:
            raise PeerGone from error
        if kind != "http.response.start" and not message.get("more_body"):
            self.whole = True


def hooked(fields: list[RawHeader], hooks: Sequence[Hook]) -> list[RawHeader]:
    """Return the fields with the hooks' own; what the handler set stays as it is."""
    names = {name for name, _ in fields}
    for hook in hooks:
        if isinstance(hook, tuple):
            fields += [pair for pair in hook if pair[0] not in names]
            names = {name for name, _ in fields}
        else:
            headers = MutableHeaders(fields)
            hook(headers)
            fields = headers.raw
            names = {name for name, _ in fields}
    return fields

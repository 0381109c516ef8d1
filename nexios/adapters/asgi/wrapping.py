"""ASGI middleware around an application: classes of any origin, and who answers for them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from nexios.adapters.asgi.types import ASGIApp, Message, Receive, Scope, Send

Wrapper = Callable[[ASGIApp], ASGIApp]
AnswerError = Callable[[Scope, Receive, Send, Exception], Awaitable[None]]
"""Answers a request or refuses a socket for which a wrapper raised; nothing was sent yet."""

_HEADS: Final = frozenset(
    ("http.response.start", "websocket.accept", "websocket.close", "websocket.http.response.start")
)


def wrapped(inner: ASGIApp, wrappers: Sequence[Wrapper], answer: AnswerError) -> ASGIApp:
    """Return ``inner`` with the wrappers around it, the last one outermost.

    What a wrapper raises is answered by ``answer``; once a head went out it is raised on, so
    that the server cuts the connection.
    """
    if not wrappers:
        return inner
    outermost = inner
    for wrapper in wrappers:
        outermost = wrapper(outermost)
    app = outermost

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noticing(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] in _HEADS
            await send(message)

        try:
            await app(scope, receive, noticing)
        except Exception as error:
            if begun:
                raise
            await answer(scope, receive, send, error)

    return serve


def for_sockets(wrapper: Wrapper) -> Wrapper:
    """Return the wrapper for WebSocket scopes alone; requests pass it by."""

    def wrap(inner: ASGIApp) -> ASGIApp:
        around = wrapper(inner)

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            app = around if scope["type"] == "websocket" else inner
            await app(scope, receive, send)

        return serve

    return wrap

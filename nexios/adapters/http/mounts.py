"""Foreign ASGI applications as answers: run when the answer is sent, so nothing is buffered."""

from collections.abc import Awaitable, Callable
from typing import Self

from nexios.adapters.asgi.sublife import scope_below
from nexios.adapters.asgi.types import ASGIApp, Message, Receive, Scope, Send
from nexios.adapters.http.response import NO_BLOCK, BaseResponse


class ForeignAnswer(BaseResponse):
    """Whatever another ASGI application answers to this request.

    Its status is not known before it is sent; header fields set here are added to its own and
    never replace them.
    """

    __slots__ = ("_app", "_depth")

    _app: ASGIApp
    _depth: int

    @classmethod
    def of(cls, app: ASGIApp, depth: int) -> Self:
        """Return the answer of ``app``, which stands ``depth`` segments deep."""
        made = cls.made(b"", 200, NO_BLOCK)
        made._app = app  # noqa: SLF001  # of this very class
        made._depth = depth  # noqa: SLF001
        return made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request over."""
        child = scope_below(scope, self._depth)
        held = self._headers
        if held is None:
            await self._app(child, receive, send)
            return
        fields = held.raw

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                names = {name for name, _ in own}
                added = [pair for pair in fields if pair[0] not in names]
                # It may be a constant of the application, which other requests send too.
                message = {**message, "headers": own + added}
            await send(message)

        await self._app(child, receive, send_with)


def mounted(app: ASGIApp, depth: int) -> Callable[[], Awaitable[ForeignAnswer]]:
    """Return a handler that answers with ``app``."""

    async def mount() -> ForeignAnswer:
        return ForeignAnswer.of(app, depth)

    return mount

"""Answers what nobody within answered, and what everybody ought to know of it."""

import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.errors import ClientDisconnect, tell_client
from nexios.adapters.asgi.types import RawHeader
from nexios.adapters.http.builder import Response
from nexios.adapters.http.debug_page import debug_answer
from nexios.adapters.http.encode import encode_beside
from nexios.adapters.http.exchange import Exchange, Policy
from nexios.adapters.http.handlers import ErrorPolicy, HandlerFailed, without_disconnects
from nexios.adapters.http.missing import internal_answer
from nexios.adapters.http.pipeline import Answer, take
from nexios.adapters.http.request import Request
from nexios.adapters.http.response import BaseResponse
from nexios.adapters.http.sender import hooked
from nexios.adapters.http.settings import HttpSettings

_log: Final = logging.getLogger("nexios.http")

Mark = Callable[[Request, Response], Awaitable[None]]
"""Notes on an answer what every answer of the app carries, whoever made it."""

Report = Callable[[BaseException, Connection, str, str], None]
"""Told once of each error nobody answered: error, connection, its id, the route or ""."""


class Rescue:
    """The last place of one app where an error is answered.

    Attributes:
        errors: Who answers where no endpoint was reached.
        marks: Of the middleware that stands around everything.
    """

    def __init__(
        self,
        errors: ErrorPolicy,
        settings: HttpSettings,
        report: Report,
        server_error_handler: Callable[..., Any] | None,
    ) -> None:
        """Take what answers.

        Args:
            errors: See above.
            settings: Of the app.
            report: Must not raise.
            server_error_handler: The last word on a 500, in debug too.
        """
        self.errors = errors
        self.marks: tuple[Mark, ...] = ()
        self._settings = settings
        self._report = report
        self._server_error_handler = server_error_handler

    async def answer(
        self, exchange: Exchange, error: Exception, policy: Policy | None = None
    ) -> BaseResponse | None:
        """Return the answer to what nobody within answered; None when the peer has left."""
        error = without_disconnects(error)
        if isinstance(error, ClientDisconnect):
            _log.debug("the client left before its request was read")
            await self._let_go(exchange, error)
            return None
        await self._mark(exchange)
        await self._let_go(exchange, error)
        if not isinstance(error, HandlerFailed):
            try:
                answer = await (policy or self.errors).answer(exchange, error)
            except Exception as failed:
                error = failed
            else:
                if answer is not None:
                    return final(answer)
        error_id = self.note(exchange, error)
        scope = exchange.scope
        tell_client(scope, error)
        if self._server_error_handler is not None:
            try:
                return await self._last_word(self._server_error_handler, exchange, error)
            except Exception as failed:
                self.note(exchange, failed)
        if self._settings.debug:
            answer = debug_answer(error, scope, error_id, route=exchange.route)
        else:
            answer = internal_answer(scope, error_id, self._settings.not_found)
        if exchange.builder is None:
            return answer
        return exchange.builder.drop_body().make_response(answer).get_response()

    async def _let_go(self, exchange: Exchange, error: Exception) -> None:
        """Close what a stream held open that will not be sent."""
        drop_work(exchange)
        try:
            await exchange.release(error)
        except Exception as failed:
            self.note(exchange, failed)

    async def _mark(self, exchange: Exchange) -> None:
        """Let middleware note its headers on an answer that may be made further out than it.

        What it has noted before it notes again, to the same effect.
        """
        for mark in self.marks:
            try:
                await mark(exchange.request, exchange.response)
            except Exception as error:
                self.note(exchange, error)

    def headers(self, exchange: Exchange, answer: BaseResponse) -> list[RawHeader]:
        headers, builder = answer.raw_headers, exchange.builder
        for hook in builder.hooks or () if builder is not None else ():
            try:
                headers = hooked(headers, (hook,))
            except Exception as error:
                # A hook that breaks must not take the answer to its own error away, nor what
                # the others add: without its grant a page could not read that answer.
                self.note(exchange, error)
        return headers

    async def _last_word(
        self, handler: Callable[..., Any], exchange: Exchange, error: Exception
    ) -> BaseResponse:
        builder = exchange.response.drop_body().status(500)
        value = handler(exchange.request, builder, error)
        if inspect.isawaitable(value):
            value = await value
        return take(builder, encode_beside(builder, value)).get_response()

    def note(self, exchange: Exchange, error: BaseException) -> str:
        error_id = secrets.token_hex(8)
        self._report(error, exchange.request, error_id, exchange.route or "")
        return error_id


def drop_work(exchange: Exchange) -> None:
    """Forget the work of a request that failed."""
    if exchange.noted is not None:
        exchange.noted.clear()
    if exchange.builder is not None:
        exchange.builder.tasks = None


def final(answer: Answer) -> BaseResponse:
    """Return what is sent of an answer."""
    return answer.get_response() if isinstance(answer, Response) else answer

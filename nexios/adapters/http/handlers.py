"""Who answers an error: the user's handlers by class and by status, then the table."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.http.encode import encode_beside, is_implicit
from nexios.adapters.http.errors import HTTPException
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.missing import with_frames
from nexios.adapters.http.pipeline import Answer, take
from nexios.adapters.http.problems import problem_for, shed
from nexios.adapters.http.registration import takes
from nexios.adapters.http.response import BaseResponse, JSONResponse
from nexios.adapters.http.settings import HttpSettings
from nexios.application.errors import Overloaded

Handler = Callable[..., Any]
Handlers = Mapping[Any, Handler]

# Handlers for these stand behind those for a status: they would take everything.
_CATCH_ALL: Final = (Exception, HTTPException, BaseException)


class HandlerFailed(ExceptionGroup[Exception]):
    """An exception handler raised; both errors, the first one first."""


class NotAnExceptionHandler(TypeError):
    """What was registered for errors would never answer one."""

    def __init__(self, key: object, handler: object) -> None:
        self.key = key
        self.handler = handler
        super().__init__(key, handler)

    def __str__(self) -> str:
        if not _is_key(self.key):
            wrong = f"{self.key!r} is neither an error class nor a status"
            return f"{wrong}\n  fix: add_exception_handler(404, handler), or the class"
        name = getattr(self.handler, "__qualname__", repr(self.handler))
        of = self.key.__name__ if isinstance(self.key, type) else self.key
        return (
            f"{name} cannot answer {of}: it is no function of three arguments"
            "\n  fix: async def handler(request, response, error): ..."
        )


def _is_key(key: object) -> bool:
    return isinstance(key, int) or (isinstance(key, type) and issubclass(key, BaseException))


def _check(key: object, handler: object) -> None:
    if not (_is_key(key) and callable(handler) and takes(handler, 3)):
        raise NotAnExceptionHandler(key, handler)


class ErrorPolicy:
    """The exception handlers that hold at one place; immutable.

    Order (http.md, 7): the handler of the nearest class, at the innermost place that has one;
    the handler of the status; a catch-all; the table. An error that none of them knows goes on.
    """

    __slots__ = ("_bare", "_by_class", "_by_status", "_catch_all", "_sheds", "_traced")

    def __init__(self, layers: Sequence[Handlers], settings: HttpSettings) -> None:
        """Take mappings of error class or status to handler, innermost first.

        Raises:
            NotAnExceptionHandler: A key is neither, or what should answer cannot be called.
        """
        self._bare = settings.errors.http_exception_body == "detail"
        self._traced = settings.debug and settings.not_found.show_traceback
        self._by_class = tuple(
            {
                key: handler
                for key, handler in layer.items()
                if isinstance(key, type) and key not in _CATCH_ALL
            }
            for layer in layers
        )
        self._by_status: dict[int, Handler] = {}
        self._catch_all: dict[type[BaseException], Handler] = {}
        for layer in layers:
            for key, handler in layer.items():
                _check(key, handler)
                if isinstance(key, int):
                    self._by_status.setdefault(key, handler)
                elif key in _CATCH_ALL:
                    self._catch_all.setdefault(key, handler)
        self._sheds = self.leaves_to_the_table(Overloaded, 503)

    def handler_for(self, error: BaseException, status: int) -> Handler | None:
        """Return the user's handler for this error, if there is one."""
        kinds = type(error).__mro__
        for layer in self._by_class:
            for kind in kinds:
                if kind in layer:
                    return layer[kind]
        if status in self._by_status:
            return self._by_status[status]
        return next((self._catch_all[kind] for kind in kinds if kind in self._catch_all), None)

    def leaves_to_the_table(self, kind: type[Exception], status: int) -> bool:
        """Return whether errors of a class with that status become what the table says."""
        known = (*self._by_class, self._catch_all)
        taken = any(base in layer for layer in known for base in kind.__mro__)
        return not taken and status not in self._by_status and not self._traced

    def _handler_of_group(self, error: Exception) -> Handler | None:
        """Return the handler somebody wrote for groups; it comes before those for its leaves."""
        if not isinstance(error, ExceptionGroup):
            return None
        kinds = type(error).__mro__
        kinds = kinds[: kinds.index(BaseExceptionGroup) + 1]
        return next(
            (layer[kind] for layer in self._by_class for kind in kinds if kind in layer), None
        )

    async def answer(self, exchange: Exchange, error: Exception) -> Answer | None:
        """Return the answer for ``error``; None when neither a handler nor the table knows it.

        Raises:
            HandlerFailed: The user's handler raised something the table does not know.
        """
        error = without_disconnects(error)
        if isinstance(error, ClientDisconnect):
            return None
        whole, error = error, single(error)
        handler = self._handler_of_group(whole)
        if handler is not None:
            problem = problem_for(whole, exchange.scope)
            status = 500 if problem is None else problem.status_code
            return await _ask(handler, exchange, whole, status)
        if isinstance(error, Overloaded) and self._sheds:
            refusal = shed(error, exchange.scope)
            if refusal is not None:
                return take(exchange.response.drop_body(), refusal)
        problem = problem_for(error, exchange.scope)
        status = 500 if problem is None else problem.status_code
        handler = self.handler_for(error, status)
        if handler is not None:
            return await _ask(handler, exchange, error, status)
        final: BaseResponse | None = problem
        if self._bare and isinstance(error, HTTPException) and error.detail is not None:
            final = JSONResponse(error.detail, error.status_code, error.headers)
        elif self._traced and problem is not None and status == 404:
            final = with_frames(problem, error)
        if final is None or exchange.builder is None:
            return final
        return exchange.builder.drop_body().make_response(final)


async def _ask(handler: Handler, exchange: Exchange, error: Exception, status: int) -> Answer:
    builder = exchange.response.drop_body()
    try:
        value = handler(exchange.request, builder, error)
        if inspect.isawaitable(value):
            value = await value
        final = encode_beside(builder, value)
    except Exception as second:
        # The table answers for the second error; the first one is its context.
        problem = problem_for(second, exchange.scope)
        if problem is None:
            text = "an exception handler raised an error of its own"
            raise HandlerFailed(text, [error, second]) from None
        return exchange.response.drop_body().make_response(problem)
    if final is None or final is builder:
        return builder if builder.status_set else builder.status(status)
    own = builder.status_code if builder.status_set else status
    take(builder, final)
    return builder.status(own) if is_implicit(final) else builder


def single(error: Exception) -> Exception:
    """Return the one error in a group of one, however deep; anything else as it is."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def without_disconnects(error: Exception) -> Exception:
    """Return what is left of a group when the peers that went are taken out of it.

    A group of nothing else is one `ClientDisconnect`. Several tasks that read one body all
    learn that its sender has gone, and that is no error of theirs.
    """
    if not isinstance(error, ExceptionGroup):
        return error
    gone, rest = error.split(ClientDisconnect)
    if gone is None:
        return error
    return ClientDisconnect() if rest is None else rest

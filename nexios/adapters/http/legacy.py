"""The handler decorators of Nexios 2.11. Each tells what to write instead."""

import inspect
import logging
import warnings
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, TypeVar

from nexios.adapters.http.around import Call, around
from nexios.adapters.http.builder import Response
from nexios.adapters.http.encode import encode_beside
from nexios.adapters.http.pipeline import take
from nexios.adapters.http.request import Request

H = TypeVar("H", bound=Callable[..., Any])
Hook = Callable[[Request, Response], Any]

_log: Final = logging.getLogger("nexios.http")


def allowed_methods(methods: Iterable[str]) -> Callable[[H], H]:
    """Answer 405 with ``Allow`` to other methods than these. Deprecated: ``methods=[...]``."""
    _deprecated("allowed_methods", "@app.route(path, methods=[...])")
    known = [method.upper() for method in methods]

    async def check(request: Request, response: Response, call: Call) -> Any:
        if request.method in known:
            return await call()
        body = {"error": f"Method {request.method} not allowed", "allowed_methods": known}
        return response.json(body, 405, {"Allow": ", ".join(known)})

    return lambda handler: _put(handler, check)


def catch_exception(
    exceptions: type[Exception] | tuple[type[Exception], ...],
    handler: Callable[[Request, Response, Exception], Any],
) -> Callable[[H], H]:
    """Let ``handler(request, response, error)``, sync or async, answer for these errors.

    Deprecated: ``add_exception_handler`` of the app or a router, ``error_handlers=`` of a class.
    """
    _deprecated("catch_exception", "app.add_exception_handler(Error, handler)")

    async def catch(request: Request, response: Response, call: Call) -> Any:
        try:
            return await call()
        except exceptions as error:
            return await _called(handler, request, response.drop_body(), error)

    return lambda decorated: _put(decorated, catch)


def before_request(
    func: Hook | None = None,
    *,
    log_level: str | None = None,
    only_methods: Collection[str] | None = None,
    for_routes: Collection[str] | None = None,
) -> Callable[[H], H]:
    """Call ``func(request, response)``, sync or async, before the handler.

    Deprecated: ``dependencies=[Depend(func)]`` or a middleware.

    Args:
        log_level: Note the request under this level (``"INFO"``).
        only_methods: For these methods alone.
        for_routes: For these whole paths alone.
    """
    _deprecated("before_request", "dependencies=[Depend(func)] on the route")
    level, wanted = _level(log_level), _wanted(only_methods, for_routes)

    async def before(request: Request, response: Response, call: Call) -> Any:
        if wanted(request):
            if level is not None:
                _log.log(level, "before %s %s", request.method, request.url)
            if func is not None:
                await _called(func, request, response)
        return await call()

    return lambda handler: _put(handler, before)


def after_request(
    func: Hook | None = None,
    *,
    log_level: str | None = None,
    only_methods: Collection[str] | None = None,
    for_routes: Collection[str] | None = None,
) -> Callable[[H], H]:
    """Call ``func(request, response)``, sync or async, once the handler has answered.

    ``response`` is the builder and holds the answer. Deprecated: a middleware.
    The other parameters are those of `before_request`.
    """
    _deprecated("after_request", "middleware=[...] on the route")
    level, wanted = _level(log_level), _wanted(only_methods, for_routes)

    async def after(request: Request, response: Response, call: Call) -> Any:
        answer = await call()
        if not wanted(request):
            return answer
        held = take(response, encode_beside(response, answer))
        if level is not None:
            _log.log(level, "after %s %s: %d", request.method, request.url, held.status_code)
        if func is not None:
            await _called(func, request, held)
        return held

    return lambda handler: _put(handler, after)


def _put(handler: H, run: Callable[..., Any]) -> H:
    return around(handler, run)  # type: ignore[return-value]  # asks for what the handler asks for


def _deprecated(name: str, instead: str) -> None:
    # 1 is here, 2 the decorator, 3 the line that uses it.
    warnings.warn(f"{name} is deprecated: write {instead}", DeprecationWarning, stacklevel=3)


def _level(name: str | None) -> int | None:
    if name is None:
        return None
    number = logging.getLevelNamesMapping().get(name.upper())
    if number is None:
        known = ", ".join(logging.getLevelNamesMapping())
        raise ValueError(f"there is no level {name!r}; known: {known}")
    return number


def _wanted(
    methods: Collection[str] | None, paths: Collection[str] | None
) -> Callable[[Request], bool]:
    of_methods = None if methods is None else frozenset(method.upper() for method in methods)
    of_paths = None if paths is None else frozenset([paths] if isinstance(paths, str) else paths)

    def wanted(request: Request) -> bool:
        return (of_methods is None or request.method in of_methods) and (
            of_paths is None or request.path in of_paths
        )

    return wanted


async def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    value = function(*arguments)
    return await value if inspect.isawaitable(value) else value

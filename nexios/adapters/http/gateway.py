"""The ASGI callable for HTTP: from the scope to the last byte of the answer."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any, Final, Protocol

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.firewall import Firewall
from nexios.adapters.asgi.inflight import InFlight
from nexios.adapters.asgi.one_write import knows, send_both
from nexios.adapters.asgi.telling import KNOWN, RequestWatch, made
from nexios.adapters.asgi.types import Message, RawHeader, Receive, Scope, Send
from nexios.adapters.asgi.url import path_below
from nexios.adapters.http.arrangement import Arrangement, Planner, arrange
from nexios.adapters.http.background import Background
from nexios.adapters.http.builder import Response
from nexios.adapters.http.compile import CompiledRoutes
from nexios.adapters.http.encode import Encoded, is_streamed
from nexios.adapters.http.endpoint import Endpoint
from nexios.adapters.http.exchange import NO_VALUES, Exchange, PathValues
from nexios.adapters.http.handlers import ErrorPolicy
from nexios.adapters.http.idle import Begun, Waits, into
from nexios.adapters.http.ordering import Added
from nexios.adapters.http.rescue import Report, Rescue, drop_work, final
from nexios.adapters.http.response import (
    LENGTHS,
    LENGTHS_MADE,
    BaseResponse,
    has_no_body,
    length_header,
)
from nexios.adapters.http.sender import Sender, hooked
from nexios.adapters.http.settings import HttpSettings
from nexios.adapters.http.sse import OpenStreams
from nexios.adapters.http.whole import Arrived, whole_json
from nexios.adapters.routing.table import Plain
from nexios.application.caller import ANONYMOUS
from nexios.application.signals import OTHER_METHOD as OTHER
from nexios.application.signals import RequestFinished

_log: Final = logging.getLogger("nexios.http")


class Door(Protocol):
    """Answers some requests before everything else."""

    def serves(self, scope: Scope) -> bool:
        """Return whether a request is one of these."""

    async def answer(self, scope: Scope) -> BaseResponse:
        """Answer it."""


class Gateway:
    """Serves every HTTP request of one app.

    Whatever an ``Exception`` a request causes is answered here; what leaves are cancellation,
    exits of the process, and errors after the head of an answer was sent.

    Attributes:
        watch: Told of each request; None while nobody listens.
    """

    def __init__(
        self,
        routes: CompiledRoutes,
        container: Planner,
        *,
        middleware: Sequence[Added] = (),
        exception_handlers: Mapping[Any, Callable[..., Any]] | None = None,
        server_error_handler: Callable[..., Any] | None = None,
        settings: HttpSettings,
        report: Report,
        background: Background | None = None,
        door: Door | None = None,
    ) -> None:
        """Plan every route and put the table together.

        Args:
            routes: Compiled, without problems.
            container: Built over ``routes.points``.
            middleware: In the order of adding; each stands by its stage.
            exception_handlers: Error class or status to ``(request, response, error)``.
            server_error_handler: The last word on a 500, in debug too.
            settings: Frozen with the configuration.
            report: Must not raise.
            background: Runs what is noted for after the answer.
            door: Answers in place of middleware and routes, what no route answers at once.

        Raises:
            MiddlewareOrderError: Middleware cannot be put in order, or one it needs is absent.
            NotMiddleware: One cannot be called as such.
            ContainerError: Something a handler asks for cannot be given.
        """
        self._container = container
        self._settings = settings
        self._background = background
        self._door = door
        self.watch: RequestWatch | None = None
        self._both: Callable[[Send, Message, Message], Awaitable[None]] | None = self._first
        self.streams = OpenStreams()
        self.waits = Waits()
        self.flights = InFlight(self.waits)
        self._limits = settings.limits
        self._wall = Firewall(settings.limits)
        self._firewall = self._wall.check
        given = dict(exception_handlers or {})
        self._rescue = Rescue(
            ErrorPolicy([given], settings), settings, report, server_error_handler
        )
        self._use(self._arranged(routes, middleware, given))

    @property
    def routes(self) -> CompiledRoutes:
        """What it serves now."""
        return self._now.routes

    def adopt(self, routes: CompiledRoutes) -> None:
        """Serve these routes from the next request on.

        Raises:
            ContainerError: A new one cannot be wired; the table stays as it was.
        """
        now = self._now
        earlier = set(now.routes.points)
        self._use(self._arranged(routes, now.middleware, now.handlers, now))
        for unit in routes.units:
            if unit.point not in earlier:
                _note_served(unit.flat.route.handler)

    def configure(
        self,
        *,
        middleware: Sequence[Added] | None = None,
        exception_handlers: Mapping[Any, Callable[..., Any]] | None = None,
    ) -> None:
        """Change what stands around the routes, from the next request on.

        Raises:
            MiddlewareOrderError: The middleware cannot be put in order; nothing has changed.
            NotMiddleware: One cannot be called as such; nothing has changed.
        """
        now = self._now
        around = now.middleware if middleware is None else middleware
        handlers = now.handlers if exception_handlers is None else dict(exception_handlers)
        self._use(self._arranged(now.routes, around, handlers, now))
        self._rescue.errors = ErrorPolicy([handlers], self._settings)

    def _arranged(
        self,
        routes: CompiledRoutes,
        middleware: Sequence[Added],
        handlers: Mapping[Any, Callable[..., Any]],
        earlier: Arrangement | None = None,
    ) -> Arrangement:
        return arrange(
            routes,
            middleware,
            handlers,
            container=self._container,
            settings=self._settings,
            flights=self.flights,
            earlier=earlier,
        )

    def _use(self, now: Arrangement) -> None:
        self._now = now
        # What a request asks for is at hand.
        self._find = now.dispatcher.plain if now.bare else None
        self._dispatcher, self._serve, self._line = now.dispatcher, now.serve, now.line
        self._wall.expect(now.fixed)
        self._rescue.marks = now.marks

    async def __call__(  # noqa: C901  # one coroutine, not four: 0.4 us of 3
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request."""
        exchange: Exchange | None = None
        found: Plain[Endpoint] | None = None
        sender: Sender | None = None
        taken: list[Any]
        arrived: Arrived = None
        status, whole, failed = 0, False, False
        watch = self.watch
        if watch is not None:
            if watch.started:
                watch.start(scope, watch.route_of(scope))
            begun = perf_counter()
        try:
            try:
                self._firewall(scope)
                find, path = self._find, scope["path"]
                if find is None:
                    pass
                elif root := scope.get("root_path"):
                    found = find(path_below(path, root), scope["method"])
                else:
                    found = find(path, scope["method"])
                if found is None:
                    if self._door is not None and self._door.serves(scope):
                        exchange = self._exchange(scope, receive, send)
                        answer: Any = await self._door.answer(scope)
                    elif find is not None:
                        answer = sought = self._dispatcher.seek(scope)
                        if not isinstance(sought, tuple):
                            exchange = self._exchange(scope, receive, send)
                            answer = await self._dispatcher.go_on(exchange, sought)
                    elif (line := self._line) is None or not self.waits.late:
                        exchange = self._exchange(scope, receive, send)
                        answer = await self._serve(exchange)
                    else:
                        # What `_serve` does, in this coroutine.
                        exchange = self._exchange(scope, receive, send)
                        taken = []
                        step = into(taken, line[0](exchange))
                        for waited in step:
                            going = Begun(step, waited, taken)
                            taken = [await line[1].bounded(exchange, going, going)]
                            break
                        answer = taken[0]
                elif (entry := found[0].entry) is None:
                    exchange = self._exchange(scope, receive, send, found)
                    answer = await found[0].serve(exchange)
                else:
                    # What Endpoint does, in this coroutine.
                    endpoint, params = found
                    plan = entry.plan
                    given: Any = NO_VALUES
                    if endpoint.path_only and plan.reads_only:
                        # Nobody can ask for more: the exchange is made when something fails.
                        if params:
                            given = PathValues()
                            given.path_params = params
                            if "path_params" in scope:
                                # Those of the place this application is mounted at.
                                scope["path_params"] = {**scope["path_params"], **params}
                            else:
                                scope["path_params"] = params
                    elif endpoint.alone is None or plan.target is None or not self.waits.steps:
                        given = exchange = self._exchange(scope, receive, send, found)
                    else:
                        given = None
                        if params:
                            scope["path_params"] = {**scope.get("path_params", {}), **params}
                    try:
                        if given is not None:
                            answer = plan.call(given)
                        else:
                            # Nor can anybody here, where the body has come.
                            arrived = whole_json(scope["headers"], receive, endpoint.body)
                            if type(arrived) is bytes:
                                answer = plan.target(endpoint.alone(arrived))  # type: ignore[misc]
                            else:
                                exchange = self._exchange(scope, receive, send, found)
                                exchange.take(arrived)
                                answer = plan.call(exchange)
                        if not plan.awaits:
                            pass
                        elif (clock := endpoint.clock) is None:
                            answer = await answer
                        elif clock.ahead or not self.waits.late:
                            if exchange is None:
                                exchange = self._exchange(scope, receive, send, found, arrived)
                            answer = await clock.bounded(exchange, answer)
                        else:
                            taken = []
                            step = into(taken, answer)
                            for waited in step:
                                if exchange is None:
                                    exchange = self._exchange(scope, receive, send, found, arrived)
                                going = Begun(step, waited, taken)
                                taken = [await clock.bounded(exchange, going, going)]
                                break
                            answer = taken[0]
                        if (finish := plan.finish) is not None:
                            # What calling it does, without the call.
                            answer = finish.rows[type(answer)](answer)  # type: ignore[attr-defined]
                    except Exception as error:
                        if exchange is None:
                            exchange = self._exchange(scope, receive, send, found, arrived)
                        answer = await endpoint.rescue(exchange, error)
                    else:
                        if type(answer) is not tuple or (
                            exchange is not None and exchange.builder is not None
                        ):
                            if exchange is None:
                                exchange = self._exchange(scope, receive, send, found, arrived)
                            answer = await endpoint.join(exchange, answer)
                if exchange is not None and type(answer) is Response:
                    answer = answer.parts or answer
                if exchange is None or type(answer) is tuple:
                    body, status, block = answer
                    size = len(body)
                    length = LENGTHS[size] if size < LENGTHS_MADE else length_header(size)
                    headers = [*block, length]
                    itself = False
                    if exchange is not None and (builder := exchange.builder) is not None:
                        if exchange.held is not None:
                            await exchange.release()  # middleware has put another in its place
                        if builder.hooks:
                            headers = hooked(headers, builder.hooks)
                else:
                    if type(answer) is Encoded and exchange.builder is None:
                        headers = answer.raw_headers
                    else:
                        answer = final(answer)
                        if exchange.held is not None and not is_streamed(answer):
                            await exchange.release()  # middleware has put another in its place
                        headers = _headers(exchange, answer)
                    status, itself = answer.status_code, answer.sends_itself
                    body = b"" if itself else answer.body
            except Exception as error:
                status = 0
                if exchange is None:
                    exchange = self._exchange(scope, receive, send, arrived=arrived)
                answer = await self._rescue.answer(exchange, error)
                if answer is None:
                    return
                headers = self._rescue.headers(exchange, answer)
                status, itself = answer.status_code, answer.sends_itself
                body = b"" if itself else answer.body
            except BaseException as error:
                if exchange is not None:
                    await exchange.release(error)
                raise
            if itself and exchange is not None:
                sender = Sender(exchange)
                await self._send_itself(exchange, answer, sender)
                self._start_work(exchange)
                return
            if scope["method"] == "HEAD" or (status != 200 and has_no_body(status)):
                body = b""
            try:
                start = {"type": "http.response.start", "status": status, "headers": headers}
                if (both := self._both) is not None:
                    await both(send, start, {"type": "http.response.body", "body": body})
                else:
                    await send(start)
                    await send({"type": "http.response.body", "body": body})
                whole = True
            except OSError:
                # ASGI 2.4: a server may say so when the peer has left.
                _log.debug("the client left before its answer was sent")
            if exchange is not None:
                builder = exchange.builder
                if exchange.noted is not None or (
                    builder is not None and builder.tasks is not None
                ):
                    self._start_work(exchange)
        except Exception:
            failed = True
            raise
        finally:
            if exchange is not None:
                if exchange.flight is not None:
                    exchange.flight.land()
                if exchange.form is not None:
                    exchange.form.close()
                # They know the exchange: a circle, which only the collector would find.
                exchange.asked = exchange.builder = None
            if watch is not None:
                if found is not None:
                    route: str | None = found[0].template
                else:
                    route = (exchange and exchange.route) or watch.route_of(scope)
                if sender is not None:
                    status, whole = sender.status, sender.whole
                if whole and len(watch.finished) == 1:
                    # What `end` does, in this coroutine: 0.70 -> 0.57 us for its one listener.
                    method, scheme = scope["method"], scope.get("scheme", "http")
                    method, took_s = method if method in KNOWN else OTHER, perf_counter() - begun
                    told = method, route, scheme, status, took_s, True, scope
                    listener, event = watch.finished[0], made(RequestFinished, told)
                    try:
                        listener(event)
                    except Exception as error:
                        watch.note(listener, event, error)
                else:
                    watch.end(scope, route, begun, status, whole, failed)

    async def _first(self, send: Send, start: Message, body: Message) -> None:
        """Send the first answer, and see what server this is."""
        self._both = send_both if knows(send) else None
        await send_both(send, start, body)

    def _exchange(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        found: Plain[Endpoint] | None = None,
        arrived: Arrived = None,
    ) -> Exchange:
        exchange = Exchange(scope, receive, send, self._limits, self.waits)
        if found is not None:
            found[0].enter(exchange, found[1])
        if arrived is not None:
            exchange.take(arrived)
        return exchange

    def route_of(self, scope: Scope) -> str | None:
        """Return the template that serves a request, a probe's path included; None for a miss."""
        if not scope.get("root_path"):
            found = self._dispatcher.plain(scope["path"], scope["method"])
            if found is not None:
                return found[0].template
        route = self._dispatcher.route_of(scope)
        if route is None and self._door is not None and self._door.serves(scope):
            return str(path_below(scope["path"], scope.get("root_path", "")))
        return route

    async def answer_error(
        self, scope: Scope, receive: Receive, send: Send, error: Exception
    ) -> None:
        """Answer for what an ASGI wrapper around this gateway raised before anything was sent."""
        exchange = Exchange(scope, receive, send, self._limits, self.waits)
        answer = await self._rescue.answer(exchange, error)
        if answer is not None:
            await Sender(exchange).run(answer, self.streams)

    def _start_work(self, exchange: Exchange) -> None:
        works = exchange.works()
        if not works:
            return
        if self._background is None:
            raise RuntimeError("this gateway was given nothing to run background work with")
        caller = exchange.scope.get("caller", ANONYMOUS)
        self._background.start(works, caller, exchange.route or "")

    async def _send_itself(self, exchange: Exchange, answer: BaseResponse, sender: Sender) -> None:
        """Send an answer that writes its own messages: a file, a stream, another app's."""
        try:
            await sender.run(answer, self.streams)
        except ClientDisconnect:
            _log.debug("the client left before its answer was sent")
        except Exception as error:
            drop_work(exchange)
            if sender.begun:
                # There is no second head: the server cuts the connection, so that a part
                # cannot pass for the whole.
                self._rescue.note(exchange, error)
                raise
            rescued = await self._rescue.answer(exchange, error, exchange.errors)
            if rescued is not None:
                await rescued(exchange.scope, exchange.receive, sender)


def _note_served(handler: Callable[..., Any]) -> None:
    # A guard put on it from now on would come too late; asgi/guards.py refuses that.
    with suppress(AttributeError, TypeError):
        handler.__nexios_served__ = True  # type: ignore[attr-defined]  # read by guarded()


def _headers(exchange: Exchange, answer: BaseResponse) -> list[RawHeader]:
    headers = answer.raw_headers
    if exchange.builder is not None and exchange.builder.hooks:
        return hooked(headers, exchange.builder.hooks)
    return headers

"""What an application is once it is built: container, gateways, hub and worker, made to fit."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from anyio.abc import TaskGroup

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.lag import LoopWatch
from nexios.adapters.asgi.occasion import occasion_of
from nexios.adapters.asgi.origins import OriginSet
from nexios.adapters.asgi.proxies import TrustedProxies
from nexios.adapters.asgi.sublife import SubApps
from nexios.adapters.asgi.telling import around as told_around
from nexios.adapters.asgi.telling import noting_route, request_watch
from nexios.adapters.asgi.types import ASGIApp, Receive, Send
from nexios.adapters.asgi.types import Scope as WireScope
from nexios.adapters.asgi.wrapping import Wrapper, wrapped
from nexios.adapters.http.background import Background, Tasks
from nexios.adapters.http.builder import Response
from nexios.adapters.http.compile import CompiledRoutes, compile_routes
from nexios.adapters.http.gateway import Gateway
from nexios.adapters.http.health import HealthDoor
from nexios.adapters.http.joining import enliven, teach
from nexios.adapters.http.ordering import Added
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.adapters.http.settings import HttpSettings
from nexios.adapters.messaging.relay import is_relay
from nexios.adapters.observability.errors import ErrorDesk
from nexios.adapters.openapi.document import Documentation
from nexios.adapters.openapi.events import described
from nexios.adapters.openapi.ui import Documented, pages_of
from nexios.adapters.websocket.compiled import SocketSettings, compile_sockets
from nexios.adapters.websocket.gateway import SocketGateway
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.broker import EventBroker
from nexios.application.caller import Caller
from nexios.application.clock import SystemClock
from nexios.application.errors import Unavailable
from nexios.application.health import CheckState, Health, HealthBoard
from nexios.application.keyring import Keyring
from nexios.application.limits import Limits
from nexios.application.outbox import OutboxStore
from nexios.application.policies import Policies
from nexios.application.replica import NoRevocations
from nexios.application.revocations import Revocations
from nexios.application.scrub import scrubbed
from nexios.application.sections.callers import AuthSettings
from nexios.application.security_events import SecurityEvents
from nexios.application.subscribers import Subscribers
from nexios.application.tracking import ErrorTracker, Kind, Occasion, tell
from nexios.auth.access import AccessRefused, Entrance, access_problems, unknown_permissions
from nexios.auth.middleware import roles_in, schemes_of, setup_problems
from nexios.config import MakeConfig
from nexios.consuming import receiver_points
from nexios.container.container import Container
from nexios.container.errors import ContainerError, WiringErrors, WiringProblem
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from nexios.delivering import Delivering
from nexios.domain.clock import Clock
from nexios.gathering import add_controllers, below, entrances
from nexios.layers.rules import Layer
from nexios.managing import Management
from nexios.subscriptions import Subscriptions, handler_points, once_problems
from nexios.watching import Watching
from nexios.websockets.carriers import carrier
from nexios.websockets.hub import Hub

_BROKER: Final = Key(EventBroker)


class House:
    """One application, wired and proven; opened by ``start``, closed by ``quiesce`` and ``stop``.

    Attributes:
        container: Its container.
        gateway: Its HTTP side.
        delivering: Its outbox worker.
        mounted: The lives of the applications below it.
        serve: What serves one HTTP or WebSocket scope; replaced by ``wrap``.
        straight: Serves one HTTP scope that names the application already; None where wrappers
            stand around.
        documentation: Draws its OpenAPI document.
        errors: Takes note of errors that nobody answered.
        entrances: Every way in, with who may pass.
        management: What operators are served on a port of their own.
    """

    def __init__(
        self,
        app: Any,  # the NexiosApp; this file stands below it
        *,
        root: Module,
        router: Router,
        config: MakeConfig,
        debug: bool,
        probed: bool,
        layers: Mapping[str, Layer] | None,
        middleware: Sequence[Added],
        exception_handlers: Mapping[Any, Callable[..., Any]],
        server_error_handler: Callable[..., Any] | None,
        logger: logging.Logger,
        wrappers: Sequence[Wrapper] = (),
    ) -> None:
        """Build and prove everything; nothing is opened.

        Raises:
            ContainerError: The wiring is wrong.
            ExceptionGroup: Routes and wiring are wrong; all of it, at once.
        """
        self._app = app
        self._config = config
        self._logger = logger
        self._subscriptions = Subscriptions()
        self._watching = Watching(app.signals)
        self._trusts = TrustedProxies.of(config.trusted_proxies).trusts
        metrics = self._watching.serve_metrics(
            router,
            config.telemetry,
            self._trusts,
            managed=config.server.management is not None,
        )
        self.errors = ErrorDesk(
            logger,
            version=app.version,
            with_locals=config.errors.report_locals,
            signals=app.signals,
        )
        self.delivering = Delivering(
            self._subscriptions, config.outbox, config.events, app.signals, self._delivery_died
        )
        modules = tuple(below(root))
        controllers = add_controllers(router, modules)
        self._http_settings: Final = HttpSettings(
            debug=debug,
            limits=config.limits,
            trailing_slash=config.trailing_slash,
            socket_at=self._socket_at,
            not_found=config.not_found,
            errors=config.errors,
            write_json=app.json_writer,
        )
        settings = self._socket_settings = SocketSettings(
            limits=config.limits,
            allowed_origins=OriginSet(config.realtime.allowed_origins),
            debug=debug,
        )
        around = [added.middleware for added in middleware]
        self.documentation = Documentation(
            app.docs,
            schemes_of(around),
            plain_errors=config.errors.http_exception_body == "detail",
            channels=config.openapi.asyncapi_url is not None,
        )
        self._pages = pages_of(self.documentation, config.openapi, app.title)
        routes = self._compiled(router)
        sockets = compile_sockets([*routes.sockets, *controllers], settings)
        mounts = compile_sockets((), settings, routes.mounts)
        handlers = handler_points(modules, config.env)
        receivers = receiver_points(modules, config.env)
        unkept = once_problems(modules, config.env)
        self._around = around
        loaders = [point for one in around for point in getattr(one, "points", ())]
        self.container = Container(
            root,
            entries=[
                *routes.points,
                *sockets.points,
                *mounts.points,
                *loaders,
                *(one.point for one in handlers),
                *(one.point for one in receivers),
            ],
            everywhere=self._everywhere(),
            profile=config.env,
            layers=layers,
            compiled=config.container == "compiled",
            watch=self._watching.makings(config.telemetry),
        )
        self._guarded = (*routes.points, *sockets.points, *mounts.points)
        self.entrances = entrances(routes, sockets)
        guards = [*setup_problems(self._guarded, around), *self._open_entrances(self.entrances)]
        drawn = self._undrawable(routes)
        self._prove([*routes.problems, *drawn, *sockets.problems, *guards, *unkept])
        self._sockets_compiled = sockets
        self._subscriptions.connect(self.container, handlers)
        self.delivering.consuming.connect(self.container, receivers)
        self._background = Background(self.container, self._work_failed)
        self._singletons = self._watching.met(lambda: self.container.singletons)
        self._board = HealthBoard(
            self._singletons, changed=self._health_changed, turned=self._watching.turned
        )
        self._watch = LoopWatch(blocked=self._watching.blocked)
        self._door = HealthDoor(self._board, self._watch) if probed else None
        self.management = Management(
            HealthDoor(self._board, self._watch, details=True),
            metrics,
            config.telemetry.metrics_path,
        )
        self.gateway = Gateway(
            routes,
            self.container,
            middleware=middleware,
            exception_handlers=exception_handlers,
            server_error_handler=server_error_handler,
            settings=self._http_settings,
            report=self._report,
            background=self._background,
            door=self._door,
        )
        self._http = self.gateway.__call__  # bound once: calling an instance binds it each time
        self.documentation.take(routes)
        sent = [one.handles.event_type for one in handlers if is_relay(one.point.owner)]
        come = [(one.mark.name, one.event_type, one.consumer) for one in receivers]
        told = described(sent, come)
        self.documentation.take_channels(sockets.endpoints, told, self._broker_protocol())
        for one in (*around, *routes.middleware):
            self._join(one)
        teach(around, routes)
        roles = roles_in(self.container)
        for line in unknown_permissions(self.entrances, roles) if roles.names else ():
            logger.warning("%s", line)
        self._sockets = SocketGateway(
            sockets,
            self.container,
            middleware=around,
            settings=settings,
            report=self._report,
            over=app.revocations.over,
        )
        self._sockets.adopt(mounts)
        self._hub: Hub | None = None
        self._open_door(routes)
        self.mounted = SubApps(routes.foreign)
        self.serve: ASGIApp = self._serve
        self.straight: ASGIApp | None = None
        self.wrap(wrappers)

    def _serve(self, scope: WireScope, receive: Receive, send: Send) -> Awaitable[None]:
        app = self._app
        scope["app"] = app
        scope["global_state"] = app.state
        gateway = self._http if scope["type"] == "http" else self._sockets
        return gateway(scope, receive, send)

    def wrap(self, wrappers: Sequence[Wrapper]) -> None:
        """Serve through these ASGI wrappers from now on, the last outermost."""
        inner = noting_route(self._serve, self._route_of) if wrappers else self._serve
        around = wrapped(inner, wrappers, self._answer_error)

        def serve(scope: WireScope, receive: Receive, send: Send) -> Awaitable[None]:
            scope["app"] = self._app  # wrappers may ask for it
            return around(scope, receive, send)

        signals, route_of = self._app.signals, self._route_of
        watch = request_watch(signals, self.gateway.route_of)
        if wrappers:
            self.gateway.watch, self.straight = None, None
            self.serve = told_around(serve, signals, route_of, watch)
        else:
            # Nobody stands between: who answers tells, and no send is wrapped.
            self.gateway.watch, self.straight = watch, self._http
            self.serve = told_around(self._serve, signals, route_of)

    def _route_of(self, scope: WireScope) -> str | None:
        side = self.gateway if scope["type"] == "http" else self._sockets
        return side.route_of(scope)

    async def _answer_error(
        self, scope: WireScope, receive: Receive, send: Send, error: Exception
    ) -> None:
        if scope["type"] == "http":
            await self.gateway.answer_error(scope, receive, send, error)
            return
        self._report(error, Connection(scope), secrets.token_hex(8))
        await send({"type": "websocket.close", "code": 1011})

    def adopt(self, router: Router) -> None:
        """Take over what was registered after the build; nothing changes when it raises.

        Raises:
            Exception: What is wrong with the new routes.
        """
        compiled = self._compiled(router, self.gateway.routes)
        if compiled.sockets != self.gateway.routes.sockets:
            raise RuntimeError("sockets are registered before the application is wired")
        mounts = compile_sockets((), self._socket_settings, compiled.mounts)
        ways = entrances(compiled, self._sockets_compiled)
        wrong = [*compiled.problems, *self._undrawable(compiled), *mounts.problems]
        _raise_all([*wrong, *self._open_entrances(ways)])
        self.entrances = ways
        if compiled.mounts != self.gateway.routes.mounts:
            self._sockets.adopt(mounts)
        known = {id(one) for one in self.gateway.routes.middleware}
        self.gateway.adopt(compiled)
        self.mounted.replace(compiled.foreign)
        self._open_door(compiled)
        self.documentation.take(compiled)
        teach(self._around, compiled)
        for middleware in compiled.middleware:
            if id(middleware) not in known:
                self._join(middleware)

    def change_middleware(
        self, middleware: Sequence[Added], exception_handlers: Mapping[Any, Callable[..., Any]]
    ) -> None:
        """Put this middleware around the routes, some of it added or taken away after the build.

        Raises:
            Exception: Some of it cannot be used, or not any more; nothing has changed.
        """
        around = [added.middleware for added in middleware]
        fresh = [one for one in around if not any(one is known for known in self._around)]
        _raise_all(setup_problems(self._guarded, around))
        for new in fresh:
            self._join(new)
        teach(fresh, self.gateway.routes)
        self.gateway.configure(middleware=middleware, exception_handlers=exception_handlers)
        self._sockets.guard(around)
        self._around = around

    async def start(self, tasks: TaskGroup) -> None:
        """Open what sockets share; the container is running already."""
        self.errors.start(await self.container.get(ErrorTracker | None), tasks)
        realtime = self._config.realtime
        self._hub = Hub(
            self._app,
            backplane=await carrier(realtime, self.container),
            required=realtime.required,
            tasks=tasks,
            limits=self._config.limits,
            report=lambda error, text: tell(self._logger, logging.ERROR, error, "%s", text),
            signals=self._app.signals,
        )
        await self._hub.start()
        self._singletons()
        self._watching.watch(self._config.telemetry, self._trusts)
        self._background.open(tasks)
        self.gateway.streams.begin()
        self.gateway.waits.settle()
        self._sockets.open()
        tasks.start_soon(self._sockets.watch, name="nexios sockets")

    async def watch_revocations(self, tasks: TaskGroup) -> None:
        """Keep what is revoked near, where a store of it is bound."""
        store = await self.container.get(Revocations | None)
        if store is not None:
            signing_off = partial(tasks.start_soon, self._sockets.sign_off)
            await self._app.revocations.start(store, tasks, changed=signing_off)

    async def start_worker(self, tasks: TaskGroup) -> None:
        """Deliver events after commit, where a store is bound and somebody handles them."""
        store = await self.container.get(OutboxStore | None)
        self.delivering.start(store, await self.container.get(EventBroker | None), tasks)
        if self.delivering.running and store is not None:
            for name, count in (await self.delivering.orphans(store)).items():
                self._logger.warning(
                    '%d deliveries wait for %s, which is no handler here: give name="%s" to the'
                    " one that has taken its place",
                    count,
                    name,
                    name,
                )

    async def until_critical_up(self) -> None:
        """Wait for what is critical; the log says which it is."""
        await self._board.until_critical_up()

    async def not_yet(self, scope: WireScope, receive: Receive, send: Send) -> None:
        """Answer while the application waits for what it needs: probes, and 503 to all else."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1013})  # try again later
        elif self._door is not None and self._door.serves(scope):
            await (await self._door.answer(scope))(scope, receive, send)
        else:
            error = Unavailable("the application is starting", retry_after_s=1.0)
            await self.gateway.answer_error(scope, receive, send, error)

    def started(self, tasks: TaskGroup) -> None:
        """Note that the start is over; from now on checks are asked without probes too."""
        self._board.starting = self._board.draining = False
        tasks.start_soon(self._board.watch, self._config.health.interval_s, name="nexios health")
        tasks.start_soon(self._watch.run, name="nexios loop watch")
        tasks.start_soon(self.gateway.flights.sweep, name="nexios sweep of requests")
        enliven(self._around, tasks)

    def retire(self) -> None:
        """Be ready no more, so that balancers send their requests and sockets elsewhere."""
        self._board.draining = True
        self._sockets.retire()

    def drain(self) -> None:
        """Be ready no more, end streams and sockets: the server waits for its connections."""
        if not self._board.draining:
            self._watching.drained()
        self.retire()
        self.gateway.streams.end()
        self._sockets.part()
        self.mounted.drain()

    async def quiesce(self) -> None:
        """Let streams and sockets go, finish the work and deliveries at hand; none begins."""
        self.drain()
        self.gateway.flights.end()
        await self._sockets.close()
        await self._background.close(self._config.server.grace_s)
        await self.delivering.stop()

    async def stop(self) -> None:
        """Close what ``start`` opened."""
        self._app.revocations.stop()
        self._watching.part()
        self._board.starting = True
        self.gateway.waits.unsettle()
        if self._hub is not None:
            await self._hub.stop()
        await self.errors.stop()

    def _everywhere(self) -> Module:
        """Return what every module of the application sees."""
        shared = Module("nexios")
        settings = type(self._config)
        shared.bind(settings).value(self._config)
        # A class of the user's own is asked for as itself, and still is the configuration.
        bases = [base for base in settings.__mro__[1:] if issubclass(base, MakeConfig)]
        for base in bases:
            shared.bind(base).alias(settings)
        shared.bind(Limits).value(self._config.limits)
        shared.bind(AuthSettings).value(self._config.auth)
        shared.bind(Clock, scope=Scope.SINGLETON, default=True).to(SystemClock)
        shared.bind(Request).given()
        shared.bind(Response).given()
        shared.bind(Caller).given()
        shared.bind(Tasks).given()
        shared.bind(WebSocket, scope=Scope.CONNECTION).given()
        subscriptions = self._subscriptions

        @shared.provides()
        def subscribers(scope: ScopeContext) -> Subscribers:
            return subscriptions.of(scope)

        @shared.provides()
        def policies(scope: ScopeContext, caller: Caller) -> Policies:
            return Policies(caller, scope.get_now(SecurityEvents | None))

        keys: list[object] = [Limits, Clock, Request, Response, Tasks, Caller, WebSocket]
        keys += [AuthSettings, Policies, settings, *bases]
        if self._config.keyring is not None:
            shared.bind(Keyring).value(self._config.keyring)
            keys.append(Keyring)
        return shared.export(*keys, *self._watching.bind(shared), Subscribers)

    def _open_door(self, routes: CompiledRoutes) -> None:
        if self._door is not None:
            units = (unit.flat for unit in routes.units)
            own = (path for flat in units if "GET" in flat.route.methods for path in flat.paths)
            self._door.open_beside(own)

    def _health_changed(self, check: str, state: CheckState) -> None:
        self._watching.changed(check, state)
        if state.health is Health.DOWN:
            self._logger.warning("health check %s is down: %s", check, scrubbed(state.says))
        else:
            self._logger.info("health check %s is up again", check)

    def _compiled(self, router: Router, earlier: CompiledRoutes | None = None) -> CompiledRoutes:
        return compile_routes(Documented(router, self._pages), self._http_settings, earlier)

    def _open_entrances(self, ways: Sequence[Entrance]) -> list[AccessRefused]:
        return access_problems(ways, deny_by_default=self._config.auth.deny_by_default)

    def _broker_protocol(self) -> str:
        bindings = self.container.assembly.registry.bindings
        source = next((one.source for one in bindings if one.key == _BROKER), None)
        kind = source if isinstance(source, type) else type(source)
        return str(getattr(kind, "protocol", "events"))

    def _undrawable(self, routes: CompiledRoutes) -> list[Exception]:
        return self.documentation.problems(routes) if self._pages else []

    def _prove(self, problems: Sequence[Exception]) -> None:
        found = list(problems)
        if self._config.auth.revocation == "required" and Revocations not in self.container:
            found.append(NoRevocations())
        try:
            self.container.validate()
        except WiringErrors as errors:
            found += errors.exceptions
        except ContainerError as error:
            found.append(error)
        _raise_all(found)

    def _join(self, middleware: Any) -> None:
        """Hand a middleware the container and the application, as far as it wants them."""
        if hasattr(middleware, "wire"):
            middleware.wire(self.container)
        if hasattr(middleware, "bind"):
            middleware.bind(self._app)

    def report_listener(self, error: Exception, event: str) -> None:
        """Note that a listener of ``app.events`` failed."""
        tell(self._logger, logging.ERROR, error, "a listener of %s failed", event)

    def _socket_at(self, path: str) -> bool:
        return self._sockets.serves(path)

    def _report(
        self, error: BaseException, connection: Connection, error_id: str, where: str = ""
    ) -> None:
        self._watching.failed(error, connection.scope, error_id, where)
        self.errors.note(error, error_id, occasion_of(connection, where))

    def _work_failed(self, error: BaseException, work: str, kind: Kind = "work") -> None:
        self.errors.note(error, secrets.token_hex(8), Occasion(kind, work))

    def _delivery_died(self, error: BaseException, consumer: str) -> None:
        self._work_failed(error, consumer, "delivery")


def _raise_all(problems: Sequence[Exception]) -> None:
    if len(problems) == 1:
        raise problems[0]
    wiring = [one for one in problems if isinstance(one, WiringProblem)]
    if problems and len(wiring) == len(problems):
        raise WiringErrors(f"{len(wiring)} wiring problems", wiring)
    if problems:
        raise SetupErrors(f"{len(problems)} problems in routes and wiring", problems)


class SetupErrors(ExceptionGroup[Exception]):
    """Several things are wrong with what the application is made of."""

    def __str__(self) -> str:
        """Return the numbered listing."""
        lines = [f"{n}. {error}" for n, error in enumerate(self.exceptions, 1)]
        return "\n".join([self.message, *lines])

    def derive(self, excs: Sequence[Exception], /) -> "SetupErrors":  # type: ignore[override]  # the group holds nothing else
        """Return a group of the same type, so that splitting keeps it."""
        return SetupErrors(self.message, excs)

"""What an application is once it is built: container, gateways, hub and worker, made to fit."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from anyio.abc import TaskGroup

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.origins import OriginSet
from nexios.adapters.asgi.proxies import TrustedProxies
from nexios.adapters.asgi.sublife import SubApps
from nexios.adapters.asgi.telling import around as told_around
from nexios.adapters.asgi.telling import noting_route, request_watch
from nexios.adapters.asgi.types import ASGIApp, Receive, Send
from nexios.adapters.asgi.types import Scope as WireScope
from nexios.adapters.asgi.wrapping import Wrapper, wrapped
from nexios.adapters.http.background import Background
from nexios.adapters.http.compile import CompiledRoutes, compile_routes
from nexios.adapters.http.gateway import Gateway
from nexios.adapters.http.joining import enliven, teach
from nexios.adapters.http.ordering import Added
from nexios.adapters.http.router import Router
from nexios.adapters.http.settings import HttpSettings
from nexios.adapters.websocket.compiled import SocketSettings, compile_sockets
from nexios.adapters.websocket.gateway import SocketGateway
from nexios.application.broker import EventBroker
from nexios.application.errors import Unavailable
from nexios.application.outbox import OutboxStore
from nexios.application.replica import NoRevocations
from nexios.application.revocations import Revocations
from nexios.auth.access import AccessRefused, Entrance, access_problems, unknown_permissions
from nexios.auth.middleware import roles_in, setup_problems
from nexios.config import MakeConfig
from nexios.consuming import receiver_points
from nexios.container.container import Container
from nexios.container.module import Module
from nexios.delivering import Delivering
from nexios.documenting import Documents
from nexios.gathering import add_controllers, below, entrances
from nexios.layers.rules import Layer
from nexios.managing import Management
from nexios.probing import Probing
from nexios.proving import prove, raise_all
from nexios.reporting import Reporting
from nexios.sharing import shared_module
from nexios.subscriptions import Subscriptions, handler_points, once_problems
from nexios.watching import Watching
from nexios.websockets.carriers import carrier
from nexios.websockets.hub import Hub
from nexios.websockets.room import specs_in


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
        self.errors = Reporting(app, config.errors, self._watching)
        self.delivering = Delivering(
            self._subscriptions,
            config.outbox,
            config.events,
            app.signals,
            self.errors.delivery_died,
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
        self._documents = Documents(app, config, around)
        self.documentation = self._documents.drawn
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
            everywhere=shared_module(config, self._subscriptions, self._watching),
            profile=config.env,
            layers=layers,
            compiled=config.container == "compiled",
            watch=self._watching.makings(config.telemetry),
        )
        self._guarded = (*routes.points, *sockets.points, *mounts.points)
        self.entrances = entrances(routes, sockets)
        guards = [*setup_problems(self._guarded, around), *self._open_entrances(self.entrances)]
        if config.auth.revocation == "required" and Revocations not in self.container:
            unkept.append(NoRevocations())
        drawn = self._documents.problems(routes)
        prove(self.container, [*routes.problems, *drawn, *sockets.problems, *guards, *unkept])
        self._sockets_compiled = sockets
        self._subscriptions.connect(self.container, handlers)
        self.delivering.consuming.connect(self.container, receivers)
        self._background = Background(self.container, self.errors.work_failed)
        self._singletons = self._watching.met(lambda: self.container.singletons)
        self._probing = Probing(self._singletons, self._watching, logger, probed=probed)
        self.management = Management(
            self._probing.with_details,
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
            report=self.errors.failed,
            background=self._background,
            door=self._probing.door,
        )
        self._http = self.gateway.__call__  # bound once: calling an instance binds it each time
        self._documents.take(routes)
        self._documents.take_channels(sockets.endpoints, handlers, receivers, self.container)
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
            report=self.errors.failed,
            over=app.revocations.over,
        )
        self._sockets.adopt(mounts)
        self._hub: Hub | None = None
        self._probing.open_beside(routes)
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
        self.errors.failed(error, Connection(scope), secrets.token_hex(8))
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
        wrong = [*compiled.problems, *self._documents.problems(compiled), *mounts.problems]
        raise_all([*wrong, *self._open_entrances(ways)])
        self.entrances = ways
        if compiled.mounts != self.gateway.routes.mounts:
            self._sockets.adopt(mounts)
        known = {id(one) for one in self.gateway.routes.middleware}
        self.gateway.adopt(compiled)
        self.mounted.replace(compiled.foreign)
        self._probing.open_beside(compiled)
        self._documents.take(compiled)
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
        raise_all(setup_problems(self._guarded, around))
        for new in fresh:
            self._join(new)
        teach(fresh, self.gateway.routes)
        self.gateway.configure(middleware=middleware, exception_handlers=exception_handlers)
        self._sockets.guard(around)
        self._around = around

    async def start(self, tasks: TaskGroup) -> None:
        """Open what sockets share; the container is running already."""
        await self.errors.start(self.container, tasks)
        realtime = self._config.realtime
        self._hub = Hub(
            self._app,
            backplane=await carrier(realtime, self.container),
            required=realtime.required,
            tasks=tasks,
            limits=self._config.limits,
            report=self.errors.channel_failed,
            signals=self._app.signals,
        )
        for endpoint in self._sockets_compiled.endpoints:
            for channel in specs_in(endpoint.options.sends):
                self._hub.declare(channel)
        await self._hub.start()
        self._singletons()
        self._watching.watch(self._config.telemetry, self._trusts)
        self._background.open(tasks)
        self.gateway.streams.begin()
        self.gateway.waits.settle()
        self._sockets.open()
        tasks.start_soon(self._sockets.watch, name="nexios sockets")
        self._probing.board.drive(tasks)

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
            for line in await self.delivering.orphans(store):
                self._logger.warning("%s", line)

    async def until_critical_up(self) -> None:
        """Wait for what is critical; the log says which it is."""
        await self._probing.until_critical_up()

    async def not_yet(self, scope: WireScope, receive: Receive, send: Send) -> None:
        """Answer while the application waits for what it needs: probes, and 503 to all else."""
        door = self._probing.door
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1013})  # try again later
        elif door is not None and door.serves(scope):
            await (await door.answer(scope))(scope, receive, send)
        else:
            error = Unavailable("the application is starting", retry_after_s=1.0)
            await self.gateway.answer_error(scope, receive, send, error)

    def started(self, tasks: TaskGroup) -> None:
        """Note that the start is over; from now on checks are asked without probes too."""
        self._probing.start(tasks, self._config.health.interval_s)
        tasks.start_soon(self.gateway.flights.sweep, name="nexios sweep of requests")
        enliven(self._around, tasks)

    def retire(self) -> None:
        """Be ready no more, so that balancers send their requests and sockets elsewhere."""
        self._probing.retire()
        self._sockets.retire()

    def drain(self) -> None:
        """Be ready no more, end streams and sockets: the server waits for its connections."""
        if not self._probing.retired:
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
        self._probing.board.drive(None)
        self._app.revocations.stop()
        self._watching.part()
        self._probing.stop()
        self.gateway.waits.unsettle()
        if self._hub is not None:
            await self._hub.stop()
        await self.errors.stop()

    def _compiled(self, router: Router, earlier: CompiledRoutes | None = None) -> CompiledRoutes:
        return compile_routes(self._documents.beside(router), self._http_settings, earlier)

    def _open_entrances(self, ways: Sequence[Entrance]) -> list[AccessRefused]:
        return access_problems(ways, deny_by_default=self._config.auth.deny_by_default)

    def _join(self, middleware: Any) -> None:
        """Hand a middleware the container and the application, as far as it wants them."""
        if hasattr(middleware, "wire"):
            middleware.wire(self.container)
        if hasattr(middleware, "bind"):
            middleware.bind(self._app)

    def _socket_at(self, path: str) -> bool:
        return self._sockets.serves(path)

"""NexiosApp: the composition root. Modules, routes and settings in, one ASGI application out."""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import anyio
from typing_extensions import TypeForm, Unpack

from nexios.adapters.asgi.hooks import Hooks, K, warn_unrun
from nexios.adapters.asgi.lifespan import Lifespan, Phase, background
from nexios.adapters.asgi.serving import INSISTS, say_what_lacks
from nexios.adapters.asgi.types import ASGIApp, Receive, Send
from nexios.adapters.asgi.types import Scope as WireScope
from nexios.adapters.asgi.url import URLPath
from nexios.adapters.asgi.wrapping import Wrapper, for_sockets
from nexios.adapters.http.entries import LiveList
from nexios.adapters.http.ordering import Added, listed
from nexios.adapters.http.router import Router
from nexios.adapters.http.routes import RouteOptions, Routes
from nexios.adapters.http.verbs import Verbs
from nexios.adapters.openapi.config import docs_of
from nexios.adapters.routing.sockets import SocketRoute
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.emitter import EventEmitter
from nexios.application.errors import Unavailable
from nexios.application.keyring import Keyring
from nexios.application.limits import Limits
from nexios.application.listening import Signals
from nexios.application.replica import RevocationReplica
from nexios.auth.users import UnauthenticatedUser
from nexios.config import MakeConfig, configuration_of
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from nexios.keeper import Keeper
from nexios.layers.rules import Layer, LayerMap

# What wires and serves is loaded by the build: to note routes and modules needs none of it.
if TYPE_CHECKING:
    from nexios.adapters.http.codec import JsonWriter
    from nexios.adapters.http.templates import TemplateEngine
    from nexios.assembly import House
    from nexios.auth.access import Entrance
    from nexios.container.container import Container
    from nexios.container.override import Replacement

T = TypeVar("T")
H = TypeVar("H", bound=Callable[..., Any])
LifespanManager = Callable[["NexiosApp"], AbstractAsyncContextManager[Mapping[str, Any] | None]]

_AGAIN_S: Final = 1.0
_NOBODY: Final = UnauthenticatedUser()


class NexiosApp(Verbs):
    """The ASGI application: serves HTTP, WebSocket and lifespan scopes.

    Attributes:
        config: Its settings, frozen; never shared with another application.
        state: Free values for handlers; also ``scope["global_state"]``.
        events: For its parts to talk to each other; async listeners run in its task group.
        signals: What it tells those who watch it; ``app.signals.on(RequestFinished, note)``.
        docs: What stands in its OpenAPI document besides its routes.
        router: Where routes put directly on the app are noted.
        revocations: What is revoked, as this process knows it.
    """

    def __init__(
        self,
        *modules: Module | MakeConfig,
        config: MakeConfig | None = None,
        title: str | None = None,
        version: str | None = None,
        description: str | None = None,
        server_error_handler: Callable[..., Any] | None = None,
        lifespan: LifespanManager | None = None,
        routes: Iterable[Routes] | None = None,
        dependencies: Sequence[Any] | None = None,
        middleware: Sequence[Any] = (),
        guards: Sequence[Any] = (),
        layers: Mapping[str, Layer] | None = None,
        debug: bool | None = None,
        health: bool | None = None,
        json: Any = None,
    ) -> None:
        """Note what the application is made of; nothing is opened, wired or proven yet.

        Args:
            modules: What it includes; a `MakeConfig` among them is its configuration.
            config: Settings; environment and ``.env`` alone where none are given.
            title: How it calls itself; ``openapi.title`` otherwise.
            version: Its version; ``openapi.version`` otherwise.
            description: One paragraph about it.
            server_error_handler: Answers what nothing else does, ``(request, response, error)``.
            lifespan: ``lifespan(app)``, an async context manager around the whole life; what it
                yields is merged into ``state``. The start and stop hooks do not run beside it.
            routes: First routes.
            dependencies: Called before every handler, for their effect.
            middleware: Outer to inner.
            guards: Asked before every handler.
            layers: Package to layer, where the place of the code does not say it.
            debug: Overrules the setting of that name.
            health: Whether probes are answered below ``/health``; overrules ``health.enabled``.
            json: Writes JSON answers in place of our own writer: ``json=orjson``, or a function
                from value to bytes.

        Raises:
            TypeError: Two configurations, or something that is no module.
        """
        self.config = configuration_of(modules, config)
        self.debug = self.config.debug if debug is None else debug
        self._probed = self.config.health.enabled if health is None else health
        self.title = title or self.config.openapi.title or "Nexios application"
        self.version = version or self.config.openapi.version or "0.1.0"
        self.description = description or self.config.openapi.description
        self.docs = docs_of(self, lambda: self._built().documentation)
        self.json_writer = _json_writer(json)
        self.revocations = RevocationReplica(required=self.config.auth.revocation == "required")
        self.state: dict[str, Any] = {}
        self.events = EventEmitter()
        self.signals = Signals(changed=self._rewrap)
        self.logger = logging.getLogger("nexios")
        self.router = Router(routes=routes, dependencies=dependencies, guards=guards)
        self.router.listen(self._changed)
        self._root = Module("app")
        self._layers = layers
        self._added = [Added(one) for one in reversed(middleware)]
        self._wrappers: list[Wrapper] = []
        if self.config.allowed_hosts is not None:
            from nexios.middleware.hosts import TrustedHostMiddleware

            self._added.append(Added(TrustedHostMiddleware()))
        self._handlers: dict[type[BaseException] | int, Callable[..., Any]] = {}
        self._server_error_handler = server_error_handler
        self._user_lifespan = lifespan
        self._on_startup = Hooks()
        self._on_shutdown = Hooks()
        self._house: House | None = None
        self._open = AsyncExitStack()
        self._lifespan = Lifespan(self._start, self._stop)
        self._insists = False
        self._keeper = Keeper(self._lifespan)
        self._serve: ASGIApp = self._first
        self._straight: ASGIApp | None = None
        self.include(*(one for one in modules if not isinstance(one, MakeConfig)))

    async def __call__(self, scope: WireScope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope (ASGI 3.0)."""
        straight = self._straight
        if straight is not None and scope["type"] == "http":
            # What the house does otherwise, without its call.
            scope["app"], scope["global_state"] = self, self.state
            await straight(scope, receive, send)
        elif scope["type"] == "lifespan":
            say_what_lacks(scope, self.logger)
            self._insists = bool((scope.get("state") or {}).pop(INSISTS, False))
            await self._lifespan(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    @cached_property
    def templates(self) -> "TemplateEngine":
        """Its template engine; jinja2 is loaded by the first template."""
        from nexios.adapters.http.templates import TemplateEngine

        return TemplateEngine(self.config.templating)

    # What it is made of

    def include(self, *modules: Module) -> None:
        """Include modules: their exports become visible to handlers on the app."""
        self._refuse_when_built("include()")
        self._root.include(*modules)

    def add_route(
        self,
        route: Routes | Router | None = None,
        *,
        path: str | None = None,
        handler: Callable[..., Any] | None = None,
        methods: Iterable[str] | None = None,
        **options: Unpack[RouteOptions],
    ) -> None:
        """Register a route, given whole or by its parts; also while the application runs."""
        self.router.add_route(route, path=path, handler=handler, methods=methods, **options)

    def mount_router(self, router: Router, prefix: str | None = None) -> None:
        """Put a router below this application; routes added to it later are served too."""
        self.router.mount_router(router, prefix)

    mount_ws_router = mount_router

    def register(self, app: ASGIApp | Router, prefix: str = "") -> None:
        """Hand all below ``prefix`` to another application; it starts after and stops before."""
        self.router.register(app, prefix)

    def add_ws_route(self, route: SocketRoute | None = None, **parts: Any) -> None:
        """Register a socket route, given whole or by ``path=``, ``handler=`` and its options."""
        self.router.add_ws_route(route, **parts)

    def wrap_asgi(self, wrapper: Callable[..., ASGIApp], **options: Any) -> None:
        """Put ASGI middleware around everything served, ``wrapper(app, **options)``.

        The last one is outermost. It sees error answers and sockets, never the lifespan; what
        it raises is answered with a 500.
        """
        self._wrappers.append(partial(wrapper, **options))
        self._rewrap()

    def _rewrap(self) -> None:
        if self._house is not None:
            self._house.wrap(self._wrappers)
            if self._serve != self._first:
                self._serve, self._straight = self._house.serve, self._house.straight

    def add_ws_middleware(self, wrapper: Callable[..., ASGIApp], **options: Any) -> None:
        """Put ASGI middleware around the sockets alone, as `wrap_asgi` does around everything."""
        self.wrap_asgi(for_sockets(partial(wrapper, **options)))

    def add_middleware(self, middleware: Any, *, before: Any = None, after: Any = None) -> None:
        """Add middleware; the last added is outermost, house classes stand by their stage.

        Args:
            middleware: A function ``(request, response, call_next)`` or a `BaseMiddleware`.
            before: Stand further out than this instance or class.
            after: Stand further in than this instance or class.
        """
        self._around([*self._added, Added(middleware, before, after)])

    def _around(self, added: list[Added]) -> None:
        if self._house is not None:
            self._house.change_middleware(added, self._handlers)
        self._added = added

    def middleware(self, function: H) -> H:
        """Add a function as middleware: ``@app.middleware``."""
        self.add_middleware(function)
        return function

    @overload
    def add_exception_handler(
        self, error: type[BaseException] | int, handler: None = None
    ) -> Callable[[H], H]: ...
    @overload
    def add_exception_handler(self, error: type[BaseException] | int, handler: H) -> H: ...
    def add_exception_handler(
        self, error: type[BaseException] | int, handler: Callable[..., Any] | None = None
    ) -> Any:
        """Answer an error class or a status with ``(request, response, error)``."""

        def register(decorated: H) -> H:
            handlers = dict(self._handlers)
            handlers[error] = decorated
            if self._house is not None:
                self._house.gateway.configure(exception_handlers=handlers)
            self._handlers = handlers
            return decorated

        return register if handler is None else register(handler)

    exception_handler = add_exception_handler

    @overload
    def on_startup(self, hook: None = None) -> Callable[[K], K]: ...
    @overload
    def on_startup(self, hook: K) -> K: ...
    def on_startup(self, hook: Any = None) -> Any:
        """Run ``hook`` at the start, in order of registration; with or without ``()``."""
        return self._on_startup.add(hook)

    @overload
    def on_shutdown(self, hook: None = None) -> Callable[[K], K]: ...
    @overload
    def on_shutdown(self, hook: K) -> K: ...
    def on_shutdown(self, hook: Any = None) -> Any:
        """Run ``hook`` at the end, in order of registration; all run, failures are grouped."""
        return self._on_shutdown.add(hook)

    # What one may ask it

    @property
    def routes(self) -> Sequence[Any]:
        """What was registered directly, a live list."""
        return self.router.routes

    @property
    def http_middleware(self) -> list[Any]:
        """The middleware in the order of adding; changing the list changes the application."""
        live: LiveList[Any] = LiveList(
            (added.middleware for added in self._added),
            lambda: self._around(listed(self._added, live)),
        )
        return live

    @property
    def limits(self) -> Limits:
        """The limits that hold where a route gives none of its own."""
        return self.config.limits

    @property
    def keyring(self) -> Keyring | None:
        """The keys made of ``secret_key``."""
        return self.config.keyring

    @property
    def anonymous_user(self) -> UnauthenticatedUser:
        """What ``request.user`` is while nobody is proven."""
        return _NOBODY

    @property
    def layers(self) -> LayerMap:
        """Tells the layer of any class or function; asking builds nothing."""
        return LayerMap(self._layers)

    @property
    def container(self) -> "Container":
        """The wired container; the first who asks causes the build and its proof.

        Raises:
            ContainerError: The wiring is wrong; several problems come as one group.
        """
        return self._built().container

    def check(self) -> None:
        """Prove wiring, routes and layers without starting anything.

        Raises:
            Exception: What is wrong, all at once.
        """
        self._built()

    def scope(self) -> ScopeContext:
        """Return a REQUEST scope, for hooks, commands and tests: ``async with app.scope()``."""
        return self.container.enter(Scope.REQUEST, values={Caller: ANONYMOUS})

    def override(
        self, key: TypeForm[T] | Key[T], module: Module | None = None
    ) -> "Replacement[T]":
        """Replace what answers for a key: ``with app.override(Mailer).value(fake): ...``."""
        return self.container.override(key, module=module)

    def url_for(self, name: str, /, **params: object) -> URLPath:
        """Return the path of a route by its name."""
        return self.router.url_for(name, **params)

    def get_all_routes(self) -> Sequence[Any]:
        """Return every route as it is served, prefixes joined."""
        return self._built().gateway.routes.routes

    @property
    def entrances(self) -> "Sequence[Entrance]":
        """Every way in, with the guards before it; what ``nexios routes`` prints."""
        return self._built().entrances

    def run(self, host: str | None = None, port: int | None = None, reload: bool = False) -> None:
        """Serve until SIGINT or SIGTERM; ``nexios run`` can do more.

        Args:
            host: ``server.host`` unless given.
            port: ``server.port`` unless given.
            reload: Refused here, with the command that can: it needs an import string.
        """
        # The server's library is loaded by who serves.
        from nexios.adapters.servers.uvicorn import ServerOptions, serve

        settings = self.config.server
        told = {"reload": reload, "deflate": self.config.realtime.deflate}
        serve(self, ServerOptions.of(settings, self.limits, host, port, 1, **told))

    @asynccontextmanager
    async def working(self, workers: int | None = None) -> AsyncIterator[None]:
        """Live without serving anybody and deliver events; `nexios worker` waits inside.

        Args:
            workers: How many deliveries at a time; ``outbox.workers`` unless given.

        Raises:
            NothingToDeliver: No OutboxStore is bound, or nobody handles events after commits.
        """
        self._built().delivering.insist(workers)
        await self._lifespan.ensure()
        try:
            yield
        finally:
            await self._lifespan.close()

    # Building

    def _built(self) -> "House":
        if self._house is None:
            from nexios.assembly import House

            self._house = House(
                self,
                root=self._root,
                router=self.router,
                config=self.config,
                debug=self.debug,
                probed=self._probed,
                layers=self._layers,
                middleware=self._added,
                exception_handlers=self._handlers,
                server_error_handler=self._server_error_handler,
                logger=self.logger,
                wrappers=self._wrappers,
            )
        return self._house

    def _changed(self) -> None:
        house = self._house
        if house is not None:
            house.adopt(self.router)

    def _refuse_when_built(self, what: str) -> None:
        if self._house is not None:
            raise RuntimeError(
                f"{what} comes too late: the application is wired already"
                "\n  fix: NexiosApp(module, ...), or call it before the first request"
            )

    # Running

    async def _first(self, scope: WireScope, receive: Receive, send: Send) -> None:
        """Serve the first request of a server without lifespan: start, then serve."""
        if self._waits and self._lifespan.phase is Phase.STARTING:
            await self._built().not_yet(scope, receive, send)
            return
        if self._lifespan.phase is not Phase.RUNNING:
            await self._keeper.started()
        await self._serve(scope, receive, send)

    async def management(self, scope: WireScope, receive: Receive, send: Send) -> None:
        """Serve operators: an ASGI application of its own, behind ``server.management``."""
        await self._built().management(scope, receive, send)

    @property
    def _waits(self) -> bool:
        return self._insists and self.config.server.wait

    async def _start(self) -> Mapping[str, Any] | None:
        while True:
            try:
                return await self._started()
            except Unavailable as error:
                if not self._waits:
                    raise
                self.logger.warning("the start waits (server.wait): %s", error)
                await anyio.sleep(_AGAIN_S)

    async def _started(self) -> Mapping[str, Any] | None:
        house = self._built()
        values: dict[str, Any] = {}
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(house.container)
            if self.config.env == "prod":
                # What it looks at, tokens and sessions, is loaded by who has them.
                from nexios.deploying import insist_fit

                insist_fit(self)
            tasks = await opened.enter_async_context(background())
            await house.start(tasks)
            opened.push_async_callback(house.stop)
            self.events.drive(tasks, house.errors.listener_failed)
            opened.callback(self.events.drive, None)
            if self._user_lifespan is not None:
                warn_unrun(self._on_startup, self._on_shutdown)
                yielded = await opened.enter_async_context(self._user_lifespan(self))
                values.update(yielded or {})
                self.state.update(values)
            else:
                await self._on_startup.run()
                opened.push_async_callback(self._run_stop_hooks)
            opened.push_async_callback(house.mounted.stop)
            await house.mounted.start(tasks)
            await house.watch_revocations(tasks)
            if self._insists:
                await house.until_critical_up()
            await house.start_worker(tasks)
            house.started(tasks)
            opened.push_async_callback(house.quiesce)
            self._open = opened.pop_all()
        self._serve, self._straight = house.serve, house.straight
        return values

    def retire(self) -> None:
        """Be ready no more and deny sockets, but serve on; servers call it before they stop."""
        if self._house is not None:
            self._house.retire()

    def drain(self) -> None:
        """End event streams and sockets; servers call it, then wait for their connections."""
        if self._house is not None:
            self._house.drain()

    async def _stop(self) -> None:
        self._serve, self._straight = self._first, None
        await self._open.aclose()

    async def _run_stop_hooks(self) -> None:
        await self._on_shutdown.run_every(what="stop hooks failed")


def _json_writer(given: Any) -> "JsonWriter | None":
    if given is None:
        return None
    from nexios.adapters.http.codec import writer_of

    return writer_of(given)

"""NexiosApp: the composition root. Modules, routes and settings in, one ASGI application out."""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
from typing_extensions import TypeForm

from nexios.adapters.asgi.hooks import warn_unrun
from nexios.adapters.asgi.lifespan import Lifespan, Phase, background
from nexios.adapters.asgi.serving import INSISTS, say_what_lacks
from nexios.adapters.asgi.types import ASGIApp, Receive, Send
from nexios.adapters.asgi.types import Scope as WireScope
from nexios.adapters.http.ordering import Added
from nexios.adapters.http.router import Router
from nexios.adapters.http.routes import Routes
from nexios.adapters.openapi.config import docs_of
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.emitter import EventEmitter
from nexios.application.errors import Unavailable
from nexios.application.keyring import Keyring
from nexios.application.limits import Limits
from nexios.application.listening import Signals
from nexios.application.replica import RevocationReplica
from nexios.auth.users import UnauthenticatedUser
from nexios.composing import Composition
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


class NexiosApp(Composition):
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
        router = Router(routes=routes, dependencies=dependencies, guards=guards)
        super().__init__(router, middleware)
        self._house: House | None = None
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
        self._layers = layers
        if self.config.allowed_hosts is not None:
            from nexios.middleware.hosts import TrustedHostMiddleware

            self._added.append(Added(TrustedHostMiddleware()))
        self._server_error_handler = server_error_handler
        self._user_lifespan = lifespan
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

    # What one may ask it

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

    # Running

    def _rewrap(self) -> None:
        if self._house is not None:
            self._house.wrap(self._wrappers)
            if self._serve != self._first:
                self._serve, self._straight = self._house.serve, self._house.straight

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

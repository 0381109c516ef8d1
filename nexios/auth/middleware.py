"""Finds out who is calling, before anything of the application runs."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.event_desk import EventDesk
from nexios.adapters.asgi.stages import Stage
from nexios.application.grants import NO_ROLES, Roles
from nexios.application.spelling import suggestion
from nexios.auth.backends.base import asker, described
from nexios.auth.decorator import SchemeGuard, guards_below
from nexios.auth.identity import CHALLENGES, IDENTITY, LOGIN_URL, Asked, Identity
from nexios.container.container import Container
from nexios.container.entry import EntryPoint
from nexios.container.keys import Key

_LOGGER: Final = logging.getLogger("nexios.auth")


class AuthenticationSetup(ValueError):
    """Backends, guards and middleware do not fit together; shown before the first request."""


class AuthenticationMiddleware:
    """Asks each backend in order; the first that proves somebody wins.

    Sets ``request.user``, ``request.auth`` and the caller use cases see. A backend that breaks
    makes the identity unknown: a guard, or reading ``request.user``, answers 503, and a handler
    that never looks is served. Sockets pass the same way before they are accepted.

    Args:
        backend: One backend, or a list.
        user_model: A class whose ``load_user(identity)`` makes the user of what a backend found.

    Raises:
        AuthenticationSetup: No backend, or two of one name.
        TypeError: A backend has no usable ``authenticate``.
    """

    stage: ClassVar = Stage.AUTHENTICATION

    def __init__(self, backend: Any, user_model: Any = None) -> None:
        backends = list(backend) if isinstance(backend, (list, tuple)) else [backend]
        if not backends:
            raise AuthenticationSetup("AuthenticationMiddleware was given no backend")
        asked = [
            Asked(
                one,
                getattr(one, "scheme", "") or "",
                asker(one),
                getattr(one, "malformed", None),
            )
            for one in backends
        ]
        names = [one.scheme for one in asked if one.scheme]
        for name in names:
            if names.count(name) > 1:
                both = " and ".join(
                    type(one.backend).__qualname__ for one in asked if one.scheme == name
                )
                raise AuthenticationSetup(
                    f"two backends are named {name!r}: {both}\n  fix: give one another name="
                )
        self._backends = tuple(asked)
        self._user_model = user_model
        self._roles = NO_ROLES
        self._events = EventDesk()
        self._login_url: str | None = None
        self._logger = _LOGGER

    @property
    def requires(self) -> tuple[Any, ...]:
        """What has to stand around it, because a backend needs it."""
        return tuple(
            dict.fromkeys(
                need for one in self._backends for need in getattr(one.backend, "requires", ())
            )
        )

    @property
    def backends(self) -> tuple[Any, ...]:
        """Whom it asks, in order."""
        return tuple(one.backend for one in self._backends)

    @property
    def schemes(self) -> tuple[str, ...]:
        """The names of the backends; "" for one that names its scheme when it succeeds."""
        return tuple(one.scheme for one in self._backends)

    @property
    def security_schemes(self) -> dict[str, Mapping[str, object]]:
        """How OpenAPI describes the credentials, by the names of the backends."""
        told = ((one.scheme, described(one.backend)) for one in self._backends if one.scheme)
        return {name: scheme for name, scheme in told if scheme is not None}

    @property
    def points(self) -> tuple[EntryPoint, ...]:
        """The loaders that ask the container, for whoever proves the wiring at start."""
        loaders = (getattr(one.backend, "loader", None) for one in self._backends)
        points = (getattr(loader, "point", None) for loader in loaders)
        return tuple(point for point in points if point is not None)

    def wire(self, container: Container) -> None:
        """Find the roles and hand the container to the backends; called once, before `bind`.

        Raises:
            AuthenticationSetup: There are two tables of roles, or one that is no bound value.
        """
        self._roles = roles_in(container)
        self._events.wire(container)
        for one in self._backends:
            if hasattr(one.backend, "wire"):
                one.backend.wire(container)

    def bind(self, app: Any) -> None:
        """Hand the app to the backends; called once, at start. ``app`` is floors above."""
        logger = getattr(app, "logger", None)
        self._logger = logger if isinstance(logger, logging.Logger) else _LOGGER
        self._login_url = app.config.auth.login_url
        for one in self._backends:
            if hasattr(one.backend, "bind"):
                one.backend.bind(app)

    async def __call__(
        self, request: Connection, response: object, call_next: Callable[[], Awaitable[object]]
    ) -> object:
        """Find out who is calling and go on; nobody is refused here."""
        await self._identify(request, response)
        return await call_next()

    async def handshake(self, websocket: Connection) -> None:
        """Find out who opens the socket, before it is accepted."""
        await self._identify(websocket, None)

    async def identify(self, connection: Connection) -> None:
        """Find out whom the credentials of a socket's message prove."""
        await self._identify(connection, None)

    async def _identify(self, connection: Connection, response: object) -> None:
        identity = Identity(
            self._backends,
            response,
            self._user_model,
            self._roles,
            self._events,
            self._logger,
        )
        connection.scope[IDENTITY] = identity
        await identity.establish(connection)
        connection.scope[CHALLENGES] = identity.every_challenge
        if self._login_url is not None:
            connection.scope[LOGIN_URL] = self._login_url


def roles_in(container: Container) -> Roles:
    """Return the roles that a module binds; an empty table where none does.

    Raises:
        AuthenticationSetup: There are two tables, or one that is made later.
    """
    found = [one for one in container.singletons if isinstance(one, Roles)]
    if len(found) > 1:
        raise AuthenticationSetup(
            "Roles are bound twice, and a caller has one set of rights\n"
            "  fix: one table, in the module that the others include"
        )
    if not found and any(node.binding.key == Key(Roles) for node in container.wiring.nodes):
        raise AuthenticationSetup(
            "Roles are settled before the first request"
            "\n  fix: module.bind(Roles).value(Roles(...))"
        )
    return found[0] if found else NO_ROLES


def schemes_of(middleware: Iterable[object]) -> dict[str, Mapping[str, object]]:
    """Return what the backends of an app ask for, by their names, for its document."""
    found = (one for one in middleware if isinstance(one, AuthenticationMiddleware))
    return {name: scheme for one in found for name, scheme in one.security_schemes.items()}


def setup_problems(
    points: Iterable[EntryPoint], middleware: Sequence[object]
) -> list[AuthenticationSetup]:
    """Return what is wrong between the guards of the routes and the middleware of the app.

    Args:
        points: Every route; their guards are read from ``before``.
        middleware: All that was added, in any order.
    """
    found = [one for one in middleware if isinstance(one, AuthenticationMiddleware)]
    problems = []
    if len(found) > 1:
        problems.append(
            AuthenticationSetup(
                "AuthenticationMiddleware was added twice\n"
                "  fix: AuthenticationMiddleware(backend=[first, second])"
            )
        )
    known = [scheme for one in found for scheme in one.schemes]
    for point in points:
        for guard in guards_below(point.before):
            if not found:
                problems.append(
                    AuthenticationSetup(
                        f"{point.label} is guarded by {guard}, and nothing proves users\n"
                        "  fix: app.add_middleware(AuthenticationMiddleware(backend=...))"
                    )
                )
            elif isinstance(guard, SchemeGuard) and "" not in known:
                problems.extend(_unknown(point.label, guard, known))
    return problems


def _unknown(label: str, guard: SchemeGuard, known: Sequence[str]) -> list[AuthenticationSetup]:
    problems = []
    for scheme in guard.schemes:
        if scheme not in known:
            near = suggestion(scheme, known)
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(known)}"
            problems.append(AuthenticationSetup(f"unknown scheme {scheme!r} in {label}; {hint}"))
    return problems

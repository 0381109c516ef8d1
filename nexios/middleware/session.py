"""Gives each request the session of its client, and keeps what was changed."""

import logging
from collections.abc import Callable
from typing import Any, ClassVar, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.event_desk import EventDesk
from nexios.adapters.asgi.session import Session
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.application.errors import ApplicationError, Unavailable
from nexios.application.listening import Signals
from nexios.application.revocations import Revocations
from nexios.application.sections.callers import SessionSettings
from nexios.application.security_events import SecurityEvent
from nexios.application.sessions import SessionStore
from nexios.application.signals import SessionEnded, SessionStarted
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.entry import Entry, EntryPoint
from nexios.middleware.base import BaseMiddleware, CallNext
from nexios.middleware.keywords import section_of
from nexios.middleware.session_stores import (
    Opened,
    SessionManager,
    SignedSessionManager,
    StoredSessionManager,
)

OPENED: Final = "nexios.session"
"""The scope's key for the `Opened` of a request."""

_LOGGER: Final = logging.getLogger("nexios.session")


class NoSessionSecret(ValueError):
    """Sessions in cookies have to be signed, and there is no secret."""

    def __str__(self) -> str:
        return (
            "SessionMiddleware has neither a store nor a secret to sign cookies with\n"
            "  fix: MakeConfig(secret_key=...)   (or NEXIOS_SECRET_KEY)\n"
            "    or bind a SessionStore: module.bind(SessionStore, scope=Scope.SINGLETON).to(...)"
        )


class SessionMiddleware(BaseMiddleware):
    """``request.session``: JSON values that are kept between the requests of one client.

    It lives in a signed cookie, or in the `SessionStore` that is bound. Nothing is sent before
    something is written, reading changes nothing, and an id is never taken from the client. An
    answer to a request that touched it is ``private``: ``Vary: Cookie``, ``no-store``.

    Args:
        store: Instead of the one that is bound.
        manager: Decides how sessions are kept, instead of all that; or its class, which is then
            made with the settings.
        keys: Overrule the section ``session``, by its names.

    Raises:
        TypeError: A keyword is not known.
        ValueError: A value does not fit.
    """

    stage: ClassVar[Stage] = Stage.SESSION

    def __init__(
        self,
        *,
        store: SessionStore | None = None,
        manager: SessionManager | Callable[[SessionSettings], SessionManager] | None = None,
        **keys: Any,
    ) -> None:
        names = {f"session_{name}": name for name in SessionSettings.__dataclass_fields__}
        self._settings = section_of(SessionSettings, keys, names) if keys else None
        self._manager = manager if isinstance(manager, SessionManager) else None
        self._make = None if isinstance(manager, SessionManager) else manager
        self._store = store
        self._entry: Entry | None = None
        self._revoking: Entry | None = None
        self._events = EventDesk()

    @property
    def settings(self) -> SessionSettings | None:
        """What it was told here; None before the app's section is taken."""
        return self._settings

    @property
    def signed(self) -> bool:
        """Whether sessions live in the cookie itself, as long as no store is bound."""
        if self._entry is not None or self._store is not None or self._make is not None:
            return False
        return self._manager is None or isinstance(self._manager, SignedSessionManager)

    def wire(self, container: Container) -> None:
        """Find the `SessionStore` that is bound, if any, and who is told of events."""
        self._events.wire(container)
        chosen = self._manager or self._make or self._store
        if chosen is None and SessionStore in container:
            self._entry = container.entry(EntryPoint("the session store", _bound_store))
        elif Revocations in container:
            self._revoking = container.entry(EntryPoint("the revocations", _bound_revocations))

    def bind(self, app: Any) -> None:
        """Take the settings, and decide where sessions live.

        Raises:
            NoSessionSecret: There is no place for them.
        """
        settings = self._settings = self._settings or app.config.session
        if self._manager is not None or self._entry is not None:
            return
        if self._make is not None:
            self._manager = self._make(settings)
        elif self._store is not None:
            self._manager = StoredSessionManager(self._store, settings)
        elif app.keyring is None:
            raise NoSessionSecret
        else:
            self._manager = SignedSessionManager(
                app.keyring, settings, refuses=app.revocations.refuses
            )

    async def __call__(self, request: Request, response: Response, call_next: CallNext) -> object:
        """Open the session, pass on, keep it."""
        manager, settings = await self._ready()
        opened = await self._open(manager, request, read_only=False)
        await call_next()
        if not opened.session.accessed:
            return None
        response.add_vary("Cookie")
        if not response.has_header("cache-control"):
            response.set_header("cache-control", "no-store")
        cookie = await manager.keep(opened)
        if cookie is not None:
            self._tell(request, opened, ended=not cookie)
        if cookie is None and settings.refresh_each_request and opened.cookie:
            cookie = opened.cookie
        if cookie is not None:
            self._send(request, response, settings, cookie)
        return None

    def _tell(self, request: Request, opened: Opened, *, ended: bool) -> None:
        signals: Signals = request.scope["app"].signals
        if ended:
            if opened.stored is not None and signals.hears(SessionEnded):
                signals.tell(SessionEnded(request.scope))
        elif opened.stored is None and signals.hears(SessionStarted):
            signals.tell(SessionStarted(opened.session.actor is not None, request.scope))

    async def handshake(self, websocket: Connection) -> None:
        """Open the session of a socket, to be read."""
        manager, _ = await self._ready()
        await self._open(manager, websocket, read_only=True)

    async def _ready(self) -> tuple[SessionManager, SessionSettings]:
        settings = self._settings or SessionSettings()
        manager = self._manager
        if manager is None and self._entry is not None:
            store: SessionStore = await _found(self._entry)
            manager = self._manager = StoredSessionManager(store, settings)
        if manager is None:
            raise NoSessionSecret
        if self._revoking is not None and isinstance(manager, SignedSessionManager):
            manager.revocations = await _found(self._revoking)
            self._revoking = None
        return manager, settings

    async def _open(
        self, manager: SessionManager, connection: Connection, *, read_only: bool
    ) -> Opened:
        settings = self._settings or SessionSettings()
        told = _cookies(connection, settings.cookie_name)
        if len(told) > 1:
            # One of them may be planted: neither is believed.
            reason = f"{len(told)} cookies {settings.cookie_name!r} came at once"
            await self._events.record(SecurityEvent("session.ambiguous", "denied", reason=reason))
        try:
            opened = await manager.open(told[0] if len(told) == 1 else "", read_only=read_only)
        except ApplicationError as error:
            _LOGGER.warning("a session could not be loaded: %s", error)
            broken = Unavailable(retry_after_s=2.0)
            broken.__cause__ = error
            opened = Opened(Session(broken=broken, read_only=read_only))
        opened.session.server_side = manager.server_side
        connection.scope["session"] = opened.session
        connection.scope[OPENED] = opened
        return opened

    def _send(
        self, request: Request, response: Response, settings: SessionSettings, cookie: str
    ) -> None:
        secure = request.is_secure if settings.cookie_secure is None else settings.cookie_secure
        how: dict[str, Any] = {
            "path": settings.cookie_path,
            "domain": settings.cookie_domain,
            "secure": secure,
            "httponly": settings.cookie_httponly,
            "samesite": settings.cookie_samesite,
        }
        if cookie:
            lasting = settings.expiration_time if settings.permanent else None
            partitioned = settings.cookie_partitioned
            response.set_cookie(
                settings.cookie_name, cookie, max_age=lasting, partitioned=partitioned, **how
            )
        else:
            response.delete_cookie(settings.cookie_name, **how)


async def _found(entry: Entry) -> Any:
    found: Any = entry.plan.call()
    return await found if entry.plan.awaits else found


def _bound_revocations(revocations: Revocations = Depend()) -> Revocations:
    return revocations


def _bound_store(store: SessionStore = Depend()) -> SessionStore:
    return store


def _cookies(connection: Connection, name: str) -> list[str]:
    """Return the values of every cookie of a name; ``request.cookies`` has one of them."""
    pairs = (
        pair.strip().partition("=")
        for line in connection.headers.getlist("cookie")
        for pair in line.split(";")
    )
    return [value.strip('"') for key, sign, value in pairs if sign and key == name]

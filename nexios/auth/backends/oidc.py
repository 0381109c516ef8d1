"""Users who log in at an identity provider: the session that proves them."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.session import Session
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.security.memory_one_time import MemoryOneTime
from nexios.application.errors import Forbidden
from nexios.application.identity_provider import (
    ExternalIdentity,
    IdentityProvider,
    LoginFinished,
    LoginRefused,
    ProviderTokens,
)
from nexios.application.one_time import OneTime
from nexios.application.sections.callers import SessionSettings
from nexios.auth.backends.base import Proof
from nexios.auth.backends.loading import Loader, LoadingBackend
from nexios.auth.backends.session import name_of
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.entry import Entry, EntryPoint
from nexios.container.signature import read

_IDENTITY: Final = "oidc"
_TOKENS: Final = "oidc.tokens"
_RENEW_BEFORE_S: Final = 60.0

_LOGGER: Final = logging.getLogger("nexios.auth")


class OIDCAuthBackend(LoadingBackend):
    """Proves the user whom `oidc_routes` of the same provider put into the session.

    The state of a login waits in the bound `OneTime`, or in this process: bind one where there
    are several. The provider's tokens are kept only in a session that stays on the server.

    Args:
        provider: Where they log in.
        load_user: Called with the `ExternalIdentity`; may ask for services with ``Depend``.
            None is nobody: a login is refused, a session proves nothing any more.
        name: Of the scheme, for guards.

    Raises:
        TypeError: ``load_user`` does not take one value.
    """

    cookie_borne: ClassVar[bool] = True
    requires: ClassVar = (Stage.SESSION,)

    def __init__(
        self, provider: IdentityProvider, load_user: Callable[..., Any], name: str = "oidc"
    ) -> None:
        self.scheme = name
        self.provider: Final = provider
        label = f"loader of {name!r}"
        told = [one for one in read(load_user).parameters if one.marker is None]
        if not told or any(not one.has_default for one in told[1:]):
            raise TypeError(f"{label} takes the identity, and what it asks for with Depend")
        self._told = told[0].name
        self._user_loader = self._loader = Loader(load_user, label)
        self._cookie = SessionSettings().cookie_name
        self._store: OneTime = MemoryOneTime()
        self._entry: Entry | None = None

    def wire(self, container: Container) -> None:
        """Have the loader planned, and find the `OneTime` that is bound, if any."""
        super().wire(container)
        if OneTime in container:
            self._entry = container.entry(EntryPoint("the store of logins", _bound_store))

    def bind(self, app: Any) -> None:
        """Learn the cookie's name, for documents."""
        self._cookie = app.config.session.cookie_name

    def security_scheme(self) -> Mapping[str, object]:
        """Return a cookie."""
        return {"type": "apiKey", "in": "cookie", "name": self._cookie}

    async def authenticate(self, connection: Connection) -> Proof | None:
        """Return who logged in at the provider, or None."""
        session: Session = connection.session
        identity = self._identity_in(session)
        if identity is None:
            return None
        user = await self.load(identity)
        if not user:
            return None
        # Two providers may call two people the same.
        subject = None if name_of(user) is not None else _named(identity)
        return Proof(user, self.scheme, subject, identity.claims)

    async def load(self, identity: ExternalIdentity) -> Any:
        """Return the application's user for an identity."""
        return await self._user_loader({self._told: identity})

    async def tokens(self, request: Connection) -> ProviderTokens | None:
        """Return the provider's tokens of this session, renewed where they are about to end.

        None where there are none to use: the session is in a cookie, or the provider gives no
        new ones. Of many requests of a session at once one asks the provider.

        Raises:
            ProviderUnavailable: The provider did not answer.
        """
        session: Session = request.session
        kept = session.peek(_TOKENS)
        if not isinstance(kept, dict) or self._identity_in(session) is None:
            return None
        tokens = ProviderTokens.load(kept)
        left = float("inf") if tokens.expires_at is None else tokens.expires_at - time.time()
        if left > _RENEW_BEFORE_S:
            return tokens
        if tokens.refresh_token is None:
            return tokens if left > 0 else None
        try:
            fresh = await self.provider.refresh(tokens)
        except LoginRefused as refused:
            _LOGGER.info("%r gives no new tokens: %s", self.provider.name, refused.why)
            del session[_TOKENS]
            return None
        session[_TOKENS] = fresh.dump()
        return fresh

    async def store(self) -> OneTime:
        """Return where the state of logins waits."""
        if self._entry is None:
            return self._store
        plan = self._entry.plan
        found: Any = plan.call()
        store: OneTime = await found if plan.awaits else found
        return store

    async def login(self, request: Connection, finished: LoginFinished) -> None:
        """Let the session prove this identity from now on, under a new id.

        Raises:
            Forbidden: The loader knows nobody by this identity.
        """
        identity = finished.identity
        user = await self.load(identity)
        if not user:
            raise Forbidden("nobody here is known by this identity")
        session: Session = request.session
        named = name_of(user)
        actor = _named(identity) if named is None else str(named)
        if session.actor not in (None, actor):
            session.clear()  # what belongs to one user is not handed to the next
        session[_IDENTITY] = {
            "provider": identity.provider,
            "issuer": identity.issuer,
            "subject": identity.subject,
            "claims": dict(identity.claims),
            "userinfo": dict(identity.userinfo),
        }
        session.pop(_TOKENS, None)
        if session.server_side:
            session[_TOKENS] = finished.tokens.dump()
        session.actor = actor
        session.regenerate_id()

    def logout(self, request: Connection) -> tuple[bool, ProviderTokens | None]:
        """End the session; return whether it was of this provider, and the tokens in it."""
        session: Session = request.session
        ours, kept = self._identity_in(session) is not None, session.peek(_TOKENS)
        session.invalidate()
        return ours, ProviderTokens.load(kept) if ours and isinstance(kept, dict) else None

    def _identity_in(self, session: Session) -> ExternalIdentity | None:
        kept = session.peek(_IDENTITY)
        if not isinstance(kept, dict) or kept.get("provider") != self.provider.name:
            return None
        return ExternalIdentity(**kept)


def _bound_store(store: OneTime = Depend()) -> OneTime:
    return store


def _named(identity: ExternalIdentity) -> str:
    return f"{identity.provider}:{identity.subject}"

"""Sessions as proof: who logged in stays so until the session ends."""

from collections.abc import Callable, Mapping
from time import time
from typing import Any, ClassVar, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.evidence import Evidence
from nexios.adapters.asgi.session import Session
from nexios.adapters.asgi.stages import Stage
from nexios.application.replica import RevocationReplica
from nexios.application.revocations import Credential
from nexios.application.sections.callers import SessionSettings
from nexios.auth.backends.base import Proof, moment_in
from nexios.auth.backends.loading import Loader, LoadingBackend

_USER_KEY: Final = "user"
_LOGIN_AT: Final = "at"


class NamelessUser(TypeError):
    """Somebody was to be logged in who cannot be named."""

    def __init__(self, user: object) -> None:
        self.user = type(user).__name__
        super().__init__(user)

    def __str__(self) -> str:
        return (
            f"a {self.user} has neither identity nor id, so nobody could be found by it again"
            "\n  fix: login(request, user, subject=...)"
        )


class SessionAuthBackend(LoadingBackend):
    """Proves the user that `login` put into the session.

    A request that may change something needs evidence that a page of ours sent it; without it
    the session proves nothing, and a guard answers 403.

    Args:
        load_user: Called with ``sub`` (and ``id``, the same), by name; it may ask for services
            with ``Depend``. None is nobody: the session of a user who is gone proves nothing.
            Without it what `login` kept is the user.
        user_key: Where in the session it is kept.
        name: Of the scheme, for guards.
        authenticate_func: 2.11's name of ``load_user``.
    """

    cookie_borne: ClassVar[bool] = True
    requires: ClassVar = (Stage.SESSION,)

    def __init__(
        self,
        load_user: Callable[..., Any] | None = None,
        user_key: str = _USER_KEY,
        name: str = "session",
        *,
        authenticate_func: Callable[..., Any] | None = None,
    ) -> None:
        load_user = authenticate_func if load_user is None else load_user
        self.scheme = name
        self._user_key = user_key
        self._cookie = SessionSettings().cookie_name
        self._loader = None if load_user is None else Loader(load_user, f"loader of {name!r}")
        self._revocations: RevocationReplica | None = None

    def bind(self, app: Any) -> None:
        """Learn the cookie's name, for documents, and where to look for what is revoked."""
        self._revocations = getattr(app, "revocations", None)
        self._cookie = app.config.session.cookie_name

    def security_scheme(self) -> Mapping[str, object]:
        """Return a cookie."""
        return {"type": "apiKey", "in": "cookie", "name": self._cookie}

    async def authenticate(self, connection: Connection) -> Proof | None:
        """Return who is logged in, or None.

        Raises:
            Unavailable: Whether that was revoked has to be known, and is not.
        """
        session: Session = connection.session
        kept = session.peek(self._user_key)
        if not isinstance(kept, dict):
            return None
        told = {name: value for name, value in kept.items() if name != _LOGIN_AT}
        credential = Credential(
            subject=str(kept.get("sub")),
            session=session.id,
            issued_at=kept.get(_LOGIN_AT),
        )
        if self._revocations is not None and self._revocations.refuses(credential):
            return None
        user = told if self._loader is None else await self._loader(told)
        if not user:
            return None
        return Proof(
            user,
            self.scheme,
            credential.subject,
            told,
            authenticated_at=moment_in(kept, _LOGIN_AT),
            credential=credential,
        )

    def login(self, request: Connection, user: object, *, subject: object = None) -> None:
        """Let the session prove this user from now on, under a new id.

        Args:
            request: Of the handler that checked the credentials.
            user: What the application has.
            subject: What names the user; ``user.identity``, ``user["id"]`` or ``user.id``
                without it.

        Raises:
            CrossSiteRequest: A page of another site sent the request.
            NamelessUser: Nothing names the user.
        """
        Evidence.of(request).insist(request)
        named = name_of(user) if subject is None else subject
        if named is None:
            raise NamelessUser(user)
        session: Session = request.session
        session[self._user_key] = {"sub": str(named), "id": named, _LOGIN_AT: time()}
        session.actor = str(named)
        session.regenerate_id()

    def logout(self, request: Connection) -> None:
        """End the session; what else was in it is gone too.

        Raises:
            CrossSiteRequest: A page of another site sent the request.
        """
        Evidence.of(request).insist(request)
        session: Session = request.session
        session.invalidate()


_OF_2_11: Final = SessionAuthBackend()


def login(request: Connection, user: object, *, subject: object = None) -> None:
    """Log a user in, for a `SessionAuthBackend` that keeps to its default key; see its method."""
    _OF_2_11.login(request, user, subject=subject)


def logout(request: Connection) -> None:
    """End the session of a request; see `SessionAuthBackend.logout`."""
    _OF_2_11.logout(request)


def name_of(user: object) -> object:
    """Return what an application's user calls itself; None when it does not."""
    found = getattr(user, "identity", None)
    if found is None and isinstance(user, Mapping):
        found = user.get("id")
    return getattr(user, "id", None) if found is None else found

"""The routes by which users log in at an identity provider, and out again."""

import hashlib
import logging
import re
import secrets
from collections.abc import Awaitable
from typing import Final, TypeVar

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.event_desk import EventDesk
from nexios.adapters.asgi.evidence import Evidence
from nexios.adapters.asgi.headers import InvalidHeader
from nexios.adapters.asgi.session import Session
from nexios.adapters.asgi.url import quote_path
from nexios.adapters.http.builder import Response
from nexios.adapters.http.head import location
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.application.errors import Unavailable
from nexios.application.identity_provider import (
    IdentityProvider,
    LoginRefused,
    ProviderUnavailable,
)
from nexios.application.security_events import Outcome, SecurityEvent
from nexios.auth.backends.oidc import OIDCAuthBackend
from nexios.auth.decorator import public
from nexios.auth.identity import identity_of

T = TypeVar("T")

_PURPOSE: Final = "login"
_PROBE: Final = "oidc"
_COOKIE: Final = "nexios-login"
_LOGIN_S: Final = 600
_SECRET_BYTES: Final = 32
_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_ANSWER: Final = ("state", "code", "iss", "error")

_LOGGER: Final = logging.getLogger("nexios.auth")


class NoOIDCBackend(RuntimeError):
    """The login routes of a provider are served, and nothing proves whom they log in."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        super().__init__(provider)

    def __str__(self) -> str:
        return (
            f"oidc_routes of {self.provider!r} is mounted, and no backend is of that provider"
            "\n  fix: app.add_middleware(AuthenticationMiddleware("
            "backend=OIDCAuthBackend(provider, load_user)))"
        )


def oidc_routes(
    provider: IdentityProvider, *, callback_url: str | None = None, after_logout: str = "/"
) -> Router:
    """Return the routes by which users log in at a provider and out again.

    ``GET /{name}/login?next=/path`` sends the browser there, ``GET /{name}/callback`` takes it
    back, ``POST /{name}/logout`` ends the session here and there.

    Args:
        provider: That of an `OIDCAuthBackend` of the application.
        callback_url: The whole address of the second, as the provider knows it; the place of
            the first tells it otherwise.
        after_logout: Where a browser goes then, a path of this site.

    Raises:
        ValueError: The provider's name is no segment of a path, ``after_logout`` no path.
    """
    name = provider.name
    if _SEGMENT.fullmatch(name) is None:
        raise ValueError(f"the provider's name {name!r} is to be a segment of a path")
    if after_logout != own_path(after_logout):
        raise ValueError(f"after_logout={after_logout!r} is no path of this site")
    router = Router(name=f"oidc-{name}", exclude_from_schema=True, guards=[public])
    login_path = f"/{name}/login"

    @router.get(login_path, name="login")
    async def begin(request: Request, response: Response) -> Response:
        backend = _backend_of(request, provider)
        told = callback_url or _callback_of(request)
        begun = await _noted(request, provider, provider.begin(told))
        browser = request.cookies.get(_cookie_name(request), "")
        if _BROWSER.fullmatch(browser) is None:
            browser = secrets.token_urlsafe(_SECRET_BYTES)
        after = own_path(request.query_params.get("next") or "/")
        kept = {"record": dict(begun.record), "next": after}
        store = await backend.store()
        await store.put(_purpose(provider), _digest(begun.state, browser), kept, _LOGIN_S)
        response.set_cookie(
            _cookie_name(request),
            browser,
            max_age=_LOGIN_S,
            secure=request.is_secure,
            httponly=True,
            samesite="lax",
        )
        response.set_header("cache-control", "no-store")
        return response.redirect(begun.url, 303, external=True)

    @router.get(f"/{name}/callback", name="callback")
    async def finish(request: Request, response: Response) -> Response:
        backend = _backend_of(request, provider)
        answer = await _answer_of(request, provider)
        browser = request.cookies.get(_cookie_name(request), "")
        digest = _digest(answer.get("state", ""), browser)
        kept = await (await backend.store()).take(_purpose(provider), digest)
        if kept is None:
            raise await _refused(
                request, provider, "its state is of another browser, was used, or is old"
            )
        finished = await _noted(request, provider, provider.finish(answer, kept["record"]))
        await backend.login(request, finished)
        try:
            await _tell(request, provider, "allowed", actor=request.session.actor)
        except Unavailable:
            request.session.invalidate()  # a login that nobody knows of is none
            raise
        response.set_header("cache-control", "no-store")
        return response.redirect(own_path(kept["next"]), 303)

    @router.post(f"/{name}/logout", name="logout")
    async def end(request: Request, response: Response) -> Response:
        Evidence.of(request).insist(request)
        ours, tokens = _backend_of(request, provider).logout(request)
        response.set_header("cache-control", "no-store")
        url = None
        try:
            if ours:
                there = f"{request.scheme}://{request.host}{after_logout}"
                url = await provider.end(tokens, there)
        except ProviderUnavailable as error:
            _LOGGER.warning("%r: its own session could not be ended: %s", name, error.why)
        return response.redirect(url or after_logout, 303, external=url is not None)

    return router


def own_path(target: str) -> str:
    """Return a target that is a path of this site; ``/`` for every other."""
    try:
        path = location(target)
    except InvalidHeader:
        return "/"
    return path if path.startswith("/") else "/"


def _backend_of(request: Connection, provider: IdentityProvider) -> OIDCAuthBackend:
    """Return the backend that believes what these routes do.

    Raises:
        NoOIDCBackend: There is none.
        Unavailable: The session is out of reach: that is said before a state is used up.
    """
    session: Session = request.session
    session.peek(_PROBE)
    identity = identity_of(request)
    for backend in () if identity is None else identity.backends:
        if isinstance(backend, OIDCAuthBackend) and backend.provider is provider:
            return backend
    raise NoOIDCBackend(provider.name)


def _callback_of(request: Connection) -> str:
    above = request.path.rpartition("/login")[0]
    return f"{request.scheme}://{request.host}{quote_path(above)}/callback"


def _cookie_name(request: Connection) -> str:
    """Return a name that only this host can set, where the request came over TLS."""
    return f"__Host-{_COOKIE}" if request.is_secure else _COOKIE


def _purpose(provider: IdentityProvider) -> str:
    return f"{_PURPOSE}:{provider.name}"


def _digest(state: str, browser: str) -> bytes:
    # Of both: a state that another browser brings finds nothing, and uses nothing up.
    return hashlib.sha256(f"{state}.{browser}".encode("utf-8", "replace")).digest()


async def _answer_of(request: Connection, provider: IdentityProvider) -> dict[str, str]:
    """Return the fields that count.

    Raises:
        LoginRefused: One came twice.
    """
    answer = {}
    for name in _ANSWER:
        told = request.query_params.getlist(name)
        if len(told) > 1:
            raise await _refused(request, provider, f"{name} came twice")
        if told:
            answer[name] = told[0]
    return answer


async def _refused(request: Connection, provider: IdentityProvider, why: str) -> LoginRefused:
    await _tell(request, provider, "failed", reason=why)
    return LoginRefused(why)


async def _noted(request: Connection, provider: IdentityProvider, work: Awaitable[T]) -> T:
    """Await what a provider does; what goes wrong is told, with its reason."""
    try:
        return await work
    except LoginRefused as refused:
        await _tell(request, provider, "failed", reason=refused.why)
        raise
    except ProviderUnavailable as error:
        _LOGGER.error("%r: the provider failed: %s", provider.name, error.why)
        raise


async def _tell(
    request: Connection,
    provider: IdentityProvider,
    outcome: Outcome,
    *,
    actor: str | None = None,
    reason: str = "",
) -> None:
    identity = identity_of(request)
    desk = EventDesk() if identity is None else identity.events
    details = {"provider": provider.name, "address": request.get_client_ip()}
    await desk.record(SecurityEvent("login", outcome, actor, reason=reason, details=details))

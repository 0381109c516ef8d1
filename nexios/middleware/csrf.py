"""A token in each form, which pages of other sites cannot read: signed double submit."""

import base64
import binascii
import hmac
import secrets
from typing import Any, ClassVar, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.evidence import CrossSiteRequest, Evidence
from nexios.adapters.asgi.session import Session
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.builder import Response
from nexios.adapters.http.forms import FORM_TYPES
from nexios.adapters.http.request import Request
from nexios.adapters.security.signing import SignedValues
from nexios.application.sections.browsers import CsrfSettings
from nexios.middleware.base import BaseMiddleware, CallNext
from nexios.middleware.keywords import section_of
from nexios.middleware.paths import PathSet

_BYTES: Final = 32
_LIFETIME_S: Final = 7 * 86_400.0
_PURPOSE: Final = "csrf"


class NoCsrfSecret(ValueError):
    """Tokens have to be signed, and there is no secret."""

    def __str__(self) -> str:
        return (
            "CSRFMiddleware has no secret to sign tokens with\n"
            "  fix: MakeConfig(secret_key=...)   (or NEXIOS_SECRET_KEY)"
        )


class CsrfToken:
    """The token of one request, made when a page asks for its text; another each time.

    Attributes:
        secret: What every token of this client hides.
        used: A page has it, so the cookie has to be there.
    """

    __slots__ = ("secret", "used")

    def __init__(self, secret: bytes | None) -> None:
        """Take the client's secret; a new one is made where there is none."""
        self.used = False
        self.secret = secrets.token_bytes(_BYTES) if secret is None else secret

    def __str__(self) -> str:
        self.used = True
        # Masked anew each time: compression of a page tells nothing about it (BREACH).
        mask = secrets.token_bytes(_BYTES)
        return base64.urlsafe_b64encode(mask + _xor(mask, self.secret)).decode("ascii")

    __html__ = __str__

    def is_good(self, told: str) -> bool:
        """Return whether a text hides the secret, in constant time."""
        try:
            raw = base64.b64decode(told.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return False
        return len(raw) == 2 * _BYTES and hmac.compare_digest(
            _xor(raw[:_BYTES], raw[_BYTES:]), self.secret
        )


class CSRFMiddleware(BaseMiddleware):
    """Refuses what a page of another site had the browser send: 403.

    A page puts ``request.state.csrf_token`` into a hidden field ``csrftoken`` of its form, or a
    script sends it as ``X-CSRFToken``. It is bound to the cookie that comes with it and to who
    is logged in, and good as long as that cookie: two tabs work. A foreign ``Origin`` is refused
    before anything is read.

    Args:
        keys: Overrule the section ``csrf``, by its names; ``enabled`` is true here unless said.

    Raises:
        TypeError: A keyword is not known.
        ValueError: A value does not fit, or a pattern is none.
    """

    stage: ClassVar[Stage] = Stage.CSRF

    def __init__(self, **keys: Any) -> None:
        names = {f"csrf_{name}": name for name in CsrfSettings.__dataclass_fields__}
        self._given = section_of(CsrfSettings, {"enabled": True, **keys}, names) if keys else None
        self._take(self._given or CsrfSettings(enabled=True))
        self._signed: SignedValues | None = None

    @property
    def settings(self) -> CsrfSettings | None:
        """What it was told here; None where the app's section counts."""
        return self._given

    def _take(self, settings: CsrfSettings) -> None:
        self._settings = settings
        self._required = PathSet(settings.required_urls) if settings.required_urls else ()
        self._exempt = PathSet(settings.exempt_urls) if settings.exempt_urls else ()
        self._safe = frozenset(method.upper() for method in settings.safe_methods)
        self._evidence = Evidence(settings)

    def bind(self, app: Any) -> None:
        """Take the settings and the key.

        Raises:
            NoCsrfSecret: There is none.
        """
        if self._given is None:
            self._take(app.config.csrf)
        if not self._settings.enabled:
            return
        if app.keyring is None:
            raise NoCsrfSecret
        self._signed = SignedValues(app.keyring, _PURPOSE)

    async def __call__(self, request: Request, response: Response, call_next: CallNext) -> object:
        """Ask for the token where it is needed, and give one to whoever wants it.

        Raises:
            CrossSiteRequest: It is missing, or not the one of this client.
        """
        if self._signed is None:
            return await call_next()
        settings = self._settings
        known = self._secret_of(request, self._signed)
        token = CsrfToken(known)
        request.state.csrf_token = token
        if self._asks(request):
            if not self._evidence.given(request):
                raise CrossSiteRequest
            if known is None or not token.is_good(await self._told(request)):
                raise CrossSiteRequest("the CSRF token is missing or wrong")
        await call_next()
        if token.used:
            response.add_vary("Cookie")
            if known is None:
                self._send(request, response, settings, token)
        return None

    def _asks(self, request: Request) -> bool:
        settings, path = self._settings, request.scope["path"]
        if request.method in self._safe or path in self._exempt or path not in self._required:
            return False
        sensitive = settings.sensitive_cookies
        return sensitive is None or not request.cookies.keys().isdisjoint(sensitive)

    def _secret_of(self, request: Connection, signed: SignedValues) -> bytes | None:
        """Return the secret in the client's cookie, if it was made here for who this is."""
        told = request.cookies.get(self._settings.cookie_name)
        value = signed.open(told, max_age_s=_LIFETIME_S) if told else None
        if value is None or value.get("b") != _owner(request):
            return None
        try:
            secret = base64.b64decode(value["s"], validate=True)
        except (KeyError, TypeError, ValueError):
            return None
        return secret if len(secret) == _BYTES else None

    async def _told(self, request: Request) -> str:
        settings = self._settings
        header = request.headers.get(settings.header_name)
        if header is not None:
            return header
        kind = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if kind not in FORM_TYPES:
            return ""
        form = await request.form
        found = form.get(settings.form_field)
        return found if isinstance(found, str) else ""

    def _send(
        self, request: Request, response: Response, settings: CsrfSettings, token: CsrfToken
    ) -> None:
        if self._signed is None:
            raise NoCsrfSecret
        value = {"s": base64.b64encode(token.secret).decode("ascii"), "b": _owner(request)}
        secure = request.is_secure if settings.cookie_secure is None else settings.cookie_secure
        response.set_cookie(
            settings.cookie_name,
            self._signed.sign(value),
            path=settings.cookie_path,
            domain=settings.cookie_domain,
            secure=secure,
            httponly=settings.cookie_httponly,
            samesite=settings.cookie_samesite,
        )


def _owner(connection: Connection) -> str:
    """Return who is logged in by session: a token of before the login is none after it."""
    session = connection.scope.get("session")
    return (session.actor or "") if isinstance(session, Session) else ""


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))

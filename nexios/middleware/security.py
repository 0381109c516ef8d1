"""Headers that tell browsers what pages may do, and the way to https."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from nexios.adapters.asgi.headers import MutableHeaders, encode_value
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.asgi.types import Scope
from nexios.adapters.http.builder import Response
from nexios.adapters.http.errors import HTTPException
from nexios.adapters.http.request import Request
from nexios.application.errors import Forbidden
from nexios.application.sections.browsers import SecuritySettings
from nexios.middleware.base import BaseMiddleware, CallNext
from nexios.middleware.cors import CORSMiddleware, TwoCorsEngines
from nexios.middleware.hosts import serves
from nexios.middleware.keywords import section_of

_HTML_CSP: Final = "default-src 'self'; base-uri 'none'; form-action 'self'"
_OTHER_CSP: Final = "default-src 'none'"
_PRELOAD_MAX_AGE_S: Final = 31_536_000
_NO_STORE: Final = "no-store"
_ON_DENIAL: Final = "nexios.on_denial"
"""The scope's key for what completes the head of a denial (adapters/websocket/socket.py)."""
# Control characters, spaces, backslashes and bytes beyond ASCII are no part of an address.
_UNPRINTABLE: Final = re.compile(rb"[^!-\[\]-~]")

Fields = tuple[tuple[str, str], ...]


class SecurityMiddleware(BaseMiddleware):
    """Puts security headers on every answer once, and sends http to https where wanted.

    Without keywords it takes the section ``security`` of the app it is added to. What a handler
    set itself stays. The headers are put together once, at start.

    Args:
        keys: As the section ``security``.

    Raises:
        TypeError: An unknown key.
        ValueError: A value that cannot be, or cannot be sent as a header.
    """

    stage: ClassVar[Stage] = Stage.HOSTS

    def __init__(self, **keys: Any) -> None:
        self._policy: SecurityPolicy | None = None
        self._cors: CORSMiddleware | None = None
        self._allowed_hosts: tuple[str, ...] | None = None
        if keys:
            self._take(section_of(SecuritySettings, keys))

    def bind(self, app: Any) -> None:
        """Take the app's settings, unless there are own ones.

        Raises:
            TwoCorsEngines: ``cors_enabled``, and the app has a ``CORSMiddleware`` too.
            CredentialsForEverybody: Production, and ``"*"`` with credentials.
        """
        if self._policy is None:
            self._take(app.config.security)
        others = (one for one in app.http_middleware if isinstance(one, CORSMiddleware))
        if self._cors is not None and any(others):
            raise TwoCorsEngines
        if self._cors is not None:
            self._cors.insist(app.config.env)
        self._allowed_hosts = app.config.allowed_hosts

    @property
    def settings(self) -> SecuritySettings | None:
        """What it was told here; None before the app's section is taken."""
        return None if self._policy is None else self._policy.settings

    @property
    def grants_origins(self) -> bool:
        """Whether it does the work of ``CORSMiddleware`` too (``cors_enabled``)."""
        return self._cors is not None

    def _take(self, settings: SecuritySettings) -> None:
        self._policy = SecurityPolicy(settings)
        self._cors = None if settings.cors is None else CORSMiddleware.of(settings.cors)

    async def __call__(self, request: Request, response: Response, call_next: CallNext) -> object:
        """Note the headers for whatever is answered, then pass on, or send to https."""
        policy = self._policy
        if policy is None:
            return await call_next()
        response.on_send(policy.headers_for(request.scope, secure=request.is_secure))
        if policy.settings.ssl_redirect and not request.is_secure:
            return self._to_https(policy.settings, request, response)
        if self._cors is not None:
            return await self._cors(request, response, call_next)
        return await call_next()

    async def mark(self, request: Request, response: Response) -> None:
        """Note the headers on whatever is answered, refusals made further out included."""
        policy = self._policy
        if policy is not None:
            response.on_send(policy.headers_for(request.scope, secure=request.is_secure))
        if self._cors is not None:
            await self._cors.mark(request, response)

    async def handshake(self, websocket: Any) -> None:
        """Refuse a socket in clear text where http is not served either.

        Whatever refuses it, here or further in, is an answer with the headers of all the others.

        Raises:
            Forbidden: It came as ``ws``.
        """
        policy = self._policy
        if policy is None:
            return
        complete = policy.headers_for(websocket.scope, secure=websocket.is_secure)
        websocket.scope.setdefault(_ON_DENIAL, []).append(complete)
        if policy.settings.ssl_redirect and not websocket.is_secure:
            raise Forbidden("sockets are served over wss only")

    def _to_https(
        self, settings: SecuritySettings, request: Request, response: Response
    ) -> Response:
        reading = request.method in ("GET", "HEAD")
        if not reading and settings.ssl_unsafe_methods == "refuse":
            raise HTTPException(400, "this address is served over https only")
        host = settings.ssl_host or _own_host(request, self._allowed_hosts)
        # 308 and 307 keep the method and the body (RFC 9110, 15.4.8 and 15.4.9).
        if settings.ssl_permanent:
            status = 301 if reading else 308
        else:
            status = 302 if reading else 307
        return response.empty(status).set_header("location", f"https://{host}{_target(request)}")


class SecurityPolicy:
    """The settings, as header fields ready to be sent."""

    def __init__(self, settings: SecuritySettings) -> None:
        """Put the fields together.

        Raises:
            InvalidHeader: A setting (a ValueError) holds what no header may.
        """
        self.settings = settings
        self._fields = _checked(_fields_of(settings))
        self._csp_name = (
            "content-security-policy-report-only"
            if settings.csp_report_only
            else "content-security-policy"
        )
        self._html_csp, self._other_csp = _csp_of(settings)
        self._hsts = _hsts_of(settings)
        _checked(
            (
                (self._csp_name, self._html_csp or ""),
                ("server", settings.server_header or ""),
                ("cache-control", settings.cache_control or ""),
            )
        )

    def headers_for(self, scope: Scope, *, secure: bool) -> Callable[[MutableHeaders], None]:
        """Return what completes the answer of one request.

        Args:
            scope: Of the request; whether somebody was proven is read when the answer leaves.
            secure: Whether the client came over https.
        """

        def complete(headers: MutableHeaders) -> None:
            for name, value in self._fields:
                headers.setdefault(name, value)
            if self._html_csp is not None:
                page = _is_page(headers["content-type"])
                headers.setdefault(self._csp_name, self._html_csp if page else self._other_csp)
            if self._hsts is not None and secure:
                headers.setdefault("strict-transport-security", self._hsts)
            if self.settings.hide_server:
                del headers["server"]
            if self.settings.server_header is not None:
                headers["server"] = self.settings.server_header
            self._limit_storing(scope, headers)

        return complete

    def _limit_storing(self, scope: Scope, headers: MutableHeaders) -> None:
        # What was made for one person must not be kept for the next.
        if "auth" in scope or "set-cookie" in headers:
            headers.setdefault("cache-control", _NO_STORE)
        elif self.settings.cache_control is not None:
            headers.setdefault("cache-control", self.settings.cache_control)


def _is_page(content_type: str | None) -> bool:
    """Return whether a browser may show this as a page of its own.

    A 304 has no type and replaces the fields of the stored page (RFC 9111, 3.2), so an answer
    without one gets the policy of pages.
    """
    if content_type is None:
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return kind in {"text/html", "application/xhtml+xml", "image/svg+xml"}


def _fields_of(settings: SecuritySettings) -> Fields:
    wanted: list[tuple[str, str | None]] = [
        ("x-content-type-options", "nosniff" if settings.content_type_options else None),
        ("x-frame-options", None if settings.frame_options_allow_from else settings.frame_options),
        ("referrer-policy", settings.referrer_policy),
        ("permissions-policy", _permissions(settings.permissions_policy)),
        ("cross-origin-opener-policy", settings.cross_origin_opener_policy),
        ("cross-origin-resource-policy", settings.cross_origin_resource_policy),
        ("cross-origin-embedder-policy", settings.cross_origin_embedder_policy),
        ("x-dns-prefetch-control", settings.dns_prefetch_control),
        ("x-download-options", settings.download_options),
        ("clear-site-data", ", ".join(f'"{kind}"' for kind in settings.clear_site_data)),
        ("report-to", _as_json(settings.report_to)),
        ("nel", _as_json(settings.nel)),
    ]
    return tuple((name, value) for name, value in wanted if value)


def _as_json(value: Mapping[str, Any]) -> str | None:
    return json.dumps(value, default=dict) if value else None


def _checked(fields: Fields) -> Fields:
    for name, value in fields:
        encode_value(name, value)
    return fields


def _csp_of(settings: SecuritySettings) -> tuple[str | None, str]:
    """Return the policy of pages, None when it is off, and that of everything else."""
    ancestors = {None: "*", "DENY": "'none'", "SAMEORIGIN": "'self'"}[settings.frame_options]
    if settings.frame_options_allow_from:
        ancestors = settings.frame_options_allow_from
    frames = f"; frame-ancestors {ancestors}" if ancestors != "*" else ""
    other = _OTHER_CSP + (frames or "; frame-ancestors 'none'")
    if not settings.csp_enabled:
        return None, other
    typed = _trusted_types(settings)
    if settings.csp_policy is None:
        return f"{_HTML_CSP}{frames}{typed}", other
    if isinstance(settings.csp_policy, str):
        return f"{settings.csp_policy}{typed}", other
    directives = (
        f"{name} {value if isinstance(value, str) else ' '.join(value)}".strip()
        for name, value in settings.csp_policy.items()
    )
    return "; ".join(directives) + typed, other


def _trusted_types(settings: SecuritySettings) -> str:
    if not settings.trusted_types:
        return ""
    policies = " ".join(settings.trusted_types_policies) or "'none'"
    return f"; require-trusted-types-for 'script'; trusted-types {policies}"


def _hsts_of(settings: SecuritySettings) -> str | None:
    if not settings.hsts_enabled:
        return None
    told = f"max-age={settings.hsts_max_age}"
    if settings.hsts_include_subdomains:
        told += "; includeSubDomains"
        # The preload lists take nothing less (hstspreload.org).
        if settings.hsts_preload and settings.hsts_max_age >= _PRELOAD_MAX_AGE_S:
            told += "; preload"
    return told


def _permissions(policy: Mapping[str, str | tuple[str, ...]]) -> str:
    def listed(allowed: str | tuple[str, ...]) -> str:
        if isinstance(allowed, str):
            return allowed if allowed.startswith("(") or allowed == "*" else f"({allowed})"
        words = (one if one in {"self", "*", "src"} else f'"{one}"' for one in allowed)
        return f"({' '.join(words)})"

    return ", ".join(f"{feature}={listed(allowed)}" for feature, allowed in policy.items())


def _own_host(request: Request, allowed: tuple[str, ...] | None) -> str:
    """Return the host the client named, if this application answers to it.

    Raises:
        HTTPException: 400: it named another one.
    """
    if allowed is not None and not serves(allowed, request):
        raise HTTPException(400, "the host is not served here")
    # The port of http is not one of https.
    return request.host.removesuffix(":80")


def _target(request: Request) -> str:
    """Return path and query as they came, byte for byte where they are printable ASCII."""
    scope = request.scope
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    query: bytes = scope.get("query_string", b"")
    target = _clean(raw if raw.startswith(b"/") else b"/" + raw)
    return f"{target}?{_clean(query)}" if query else target


def _clean(part: bytes) -> str:
    return _UNPRINTABLE.sub(lambda found: b"%%%02X" % found[0][0], part).decode("ascii")

"""The named groups of settings: plain frozen values, checked where they are made."""

from collections.abc import Callable, Mapping
from dataclasses import field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from nexios.application.settings import Values
from nexios.records import dataclass

Texts = tuple[str, ...]

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HEADERS: Final = ("Accept", "Accept-Language", "Content-Language", "Content-Type")


class Section:
    """Base of the sections: freezes lists and mappings, and refuses what does not fit."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]  # every child is a dataclass
            value = getattr(self, one.name)
            if isinstance(value, Mapping) and not isinstance(value, Values):
                value = Values(value)
                object.__setattr__(self, one.name, value)
            elif isinstance(value, list):
                value = tuple(value)
                object.__setattr__(self, one.name, value)
            if not _fits(value, one.type):
                raise ValueError(f"{one.name} must be {_shown(one.type)}")
            if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
                raise ValueError(f"{one.name} must not be negative or endless")


def _fits(value: object, kind: Any) -> bool:
    """Return whether a value is of the type a field says; deep enough for the fields below."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    if origin is Callable:
        return callable(value)
    if kind in {int, float}:
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, origin or kind)


def _shown(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return " or ".join(_shown(part) for part in parts)
    if origin is Literal:
        return " or ".join(repr(part) for part in parts)
    names = {tuple: "a list of texts", Callable: "a function", Mapping: "a mapping"}
    plain = {
        str: "a text",
        Path: "a path",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
    }
    return names.get(origin) or plain.get(kind) or "None"


def _is_path(text: str) -> bool:
    return text[:1] == "/" and text[:2] not in ("//", "/\\") and text.isprintable()


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}")


@dataclass(frozen=True, slots=True)
class CorsSettings(Section):
    """Which pages of other origins may read answers (section ``cors``).

    Attributes:
        allow_credentials: None for where ``allow_origins`` does not let everybody in. True beside
            ``"*"`` is a contradiction: nothing is granted, and with ``env="prod"`` nothing starts.
    """

    allow_origins: Texts = ()
    blacklist_origins: Texts = ()
    allow_origin_regex: str | None = None
    dynamic_origin_validator: Callable[[str], object] | None = None
    allow_methods: Texts = _METHODS
    allow_headers: Texts = _HEADERS
    blacklist_headers: Texts = ()
    expose_headers: Texts = ()
    allow_credentials: bool | None = None
    max_age: int = 600
    strict_origin_checking: bool = False
    debug: bool = False
    custom_error_status: int = 400
    custom_error_messages: Mapping[str, str] = field(default_factory=dict)
    preflight_status: int = 204

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        _within("custom_error_status", self.custom_error_status, 400, 499)
        _within("preflight_status", self.preflight_status, 200, 299)


@dataclass(frozen=True, slots=True)
class SecuritySettings(Section):
    """Headers on every answer and the way to https (section ``security``).

    Attributes:
        report_to: The value of ``Report-To``, written as JSON; ``nel`` that of ``NEL``.
        trusted_types: Let pages hand scripts to the DOM through these policies only.
        xss_protection: Never sent, as browsers were attacked through it; ``expect_ct`` is dead
            too. Both are read so that settings of 2.11 load, with a warning.
        cors_enabled: Grant origins here instead of by ``CORSMiddleware``, with the six below.
    """

    csp_enabled: bool = True
    csp_policy: str | Mapping[str, str | Texts] | None = None
    csp_report_only: bool = False
    hsts_enabled: bool = True
    hsts_max_age: int = 31_536_000
    hsts_include_subdomains: bool = True
    hsts_preload: bool = False
    frame_options: Literal["DENY", "SAMEORIGIN"] | None = "DENY"
    frame_options_allow_from: str | None = None
    content_type_options: bool = True
    referrer_policy: str | None = "strict-origin-when-cross-origin"
    permissions_policy: Mapping[str, str | Texts] = field(default_factory=dict)
    ssl_redirect: bool = False
    ssl_host: str | None = None
    ssl_permanent: bool = True
    ssl_unsafe_methods: Literal["redirect", "refuse"] = "redirect"
    cross_origin_opener_policy: str | None = "same-origin"
    cross_origin_resource_policy: str | None = "same-origin"
    cross_origin_embedder_policy: str | None = None
    cache_control: str | None = None
    clear_site_data: Texts = ()
    dns_prefetch_control: Literal["on", "off"] | None = "off"
    download_options: Literal["noopen"] | None = "noopen"
    hide_server: bool = True
    server_header: str | None = None
    report_to: Mapping[str, Any] = field(default_factory=dict)
    nel: Mapping[str, Any] = field(default_factory=dict)
    trusted_types: bool = False
    trusted_types_policies: Texts = ()
    xss_protection: bool = False
    xss_mode: str = "block"
    expect_ct: bool = False
    expect_ct_max_age: int = 86_400
    expect_ct_enforce: bool = False
    expect_ct_report_uri: str | None = None
    cors_enabled: bool = False
    allowed_origins: Texts = ()
    allowed_methods: Texts = _METHODS
    allowed_headers: Texts = _HEADERS
    expose_headers: Texts = ()
    max_age: int = 600
    allow_credentials: bool | None = None

    @property
    def cors(self) -> CorsSettings | None:
        """What grants origins, where it is enabled here."""
        if not self.cors_enabled:
            return None
        return CorsSettings(
            allow_origins=self.allowed_origins,
            allow_methods=self.allowed_methods,
            allow_headers=self.allowed_headers,
            expose_headers=self.expose_headers,
            max_age=self.max_age,
            allow_credentials=self.allow_credentials,
        )


@dataclass(frozen=True, slots=True)
class SessionSettings(Section):
    """The cookie of sessions and how long they last (section ``session``).

    2.11's names, ``session_cookie_name`` and kin, are read too.

    Attributes:
        cookie_secure: None for as the request: only over TLS where that came over TLS.
        permanent: The cookie outlives the browser.
        expiration_time: Seconds after which a session ends, whatever happens.
        refresh_each_request: Send the cookie with every answer, not only when it changes.
        idle_s: Seconds without a request after which one with a proven caller ends.
        file_storage_path: Where `FileSessionManager` keeps its files; ``sessions`` in the working
            directory unless told.
        on_conflict: Two requests that changed the same key at once: refuse the later one with a
            409, or let it win.
    """

    cookie_name: str = "session_id"
    cookie_path: str = "/"
    cookie_domain: str | None = None
    cookie_secure: bool | None = None
    cookie_httponly: bool = True
    cookie_samesite: Literal["lax", "strict", "none"] = "lax"
    cookie_partitioned: bool = False
    permanent: bool = False
    expiration_time: int = 86_400
    refresh_each_request: bool = False
    idle_s: float = 1800.0
    file_storage_path: str | Path | None = None
    on_conflict: Literal["refuse", "last"] = "refuse"

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.expiration_time < 1 or self.idle_s <= 0:
            raise ValueError("expiration_time and idle_s must be above zero")
        if self.cookie_name.startswith("__Host-") and (
            self.cookie_path != "/" or self.cookie_domain is not None
        ):
            raise ValueError(
                "cookie_name begins with __Host-: such a cookie has path / and no domain"
            )


@dataclass(frozen=True, slots=True)
class CsrfSettings(Section):
    """Which requests a page of another site may have sent (section ``csrf``).

    The first two hold for whatever a session proves; the others are of `CSRFMiddleware`. 2.11's
    names, ``csrf_enabled`` and kin, are read too.

    Attributes:
        trusted_origins: Pages of these origins count as our own.
        require_origin: A request without Origin and Sec-Fetch-Site, as programs send it, is
            refused too where a cookie is its proof.
        enabled: Ask for the token at all.
        required_urls: Paths that need it: whole ones, ``/forms/*``, or ``^...`` a regular
            expression.
        exempt_urls: Paths that do not, whatever is required.
        sensitive_cookies: Ask only requests that carry one of these; None asks all.
        safe_methods: These change nothing.
        cookie_secure: None for as the request.
        header_name: Where scripts send the token.
        form_field: Where forms send it.
    """

    trusted_origins: Texts = ()
    require_origin: bool = False
    enabled: bool = False
    required_urls: Texts = ("*",)
    exempt_urls: Texts = ()
    sensitive_cookies: Texts | None = None
    safe_methods: Texts = ("GET", "HEAD", "OPTIONS", "TRACE")
    cookie_name: str = "csrftoken"
    cookie_path: str = "/"
    cookie_domain: str | None = None
    cookie_secure: bool | None = None
    cookie_httponly: bool = True
    cookie_samesite: Literal["lax", "strict", "none"] = "lax"
    header_name: str = "X-CSRFToken"
    form_field: str = "csrftoken"


@dataclass(frozen=True, slots=True)
class AuthSettings(Section):
    """Who may pass unless told, and how long tokens last (section ``auth``).

    Attributes:
        deny_by_default: Refuse the start while a route or socket has neither a guard nor the
            mark `public`.
        login_url: Where a browser is sent that asks for a page and is nobody; a path. None
            answers 401 to all.
        access_s: The life of an access token.
        refresh_idle_s: A refresh token that is not used for so long has ended.
        refresh_absolute_s: So long after the login it has, used or not.
        refresh_grace_s: A refresh token may come once more within so many seconds, for clients
            that lost the answer.
        revocation: While the list of what is revoked is too old: refuse every token with a 503
            (``required``), or go on with what is known and log it.
    """

    deny_by_default: bool = False
    login_url: str | None = None
    access_s: float = 600.0
    refresh_idle_s: float = 14 * 86_400.0
    refresh_absolute_s: float = 30 * 86_400.0
    refresh_grace_s: float = 0.0
    revocation: Literal["best-effort", "required"] = "best-effort"

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.login_url is not None and not _is_path(self.login_url):
            raise ValueError("login_url must be a path of this application, like /login")
        for name in ("access_s", "refresh_idle_s", "refresh_absolute_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above zero")


@dataclass(frozen=True, slots=True)
class OpenApiSettings(Section):
    """The documents of the interface and the pages that show them (section ``openapi``).

    Attributes:
        title: Where ``NexiosApp(title=...)`` does not say it; ``version`` and ``description`` too.
        license: Its name, or name, identifier and url.
        contact: Name, url and email.
        openapi_url: Where the document is; None serves nothing of all this.
        asyncapi_url: Where that of sockets, event streams and events is, its page at the same
            path without ``.json``; None serves neither.
        swagger_url: Where requests can be tried; None switches the page off.
        redoc_url: Where it is for reading; None switches the page off.
        enabled: False serves nothing of all this and proves nothing about it.
    """

    title: str | None = None
    version: str | None = None
    description: str | None = None
    license: str | Mapping[str, str] | None = None
    contact: Mapping[str, str] | None = None
    openapi_url: str | None = "/openapi.json"
    asyncapi_url: str | None = "/asyncapi.json"
    swagger_url: str | None = "/docs"
    redoc_url: str | None = "/redoc"
    enabled: bool = True

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        for name in ("openapi_url", "asyncapi_url", "swagger_url", "redoc_url"):
            url = getattr(self, name)
            if url is not None and (len(url) < 2 or url[0] != "/" or set(url) & set("{}?#")):
                raise ValueError(f"{name} must be a path like /docs, or None")


@dataclass(frozen=True, slots=True)
class NotFoundSettings(Section):
    """What a path nobody serves is answered with (section ``not_found``).

    Attributes:
        return_json: Answer with a problem; with plain text if not.
        custom_message: To stand in the answer.
        use_html: Answer with a page to who likes HTML better than JSON, a 500 too.
        show_traceback: Under ``debug=True``, say of a 404 that a handler raised where that was.
    """

    return_json: bool = True
    custom_message: str | None = None
    use_html: bool = False
    show_traceback: bool = False


@dataclass(frozen=True, slots=True)
class TemplateSettings(Section):
    """Where templates are and how jinja2 reads them (section ``templating``).

    Attributes:
        template_dir: A folder, from the working directory unless absolute.
        cache_size: How many compiled templates are kept.
        auto_reload: Look for changes of a file each time it is used.
        custom_filters: Name to filter.
        custom_globals: Values every template sees; middleware and handlers win over them.
    """

    template_dir: str | Path = "templates"
    cache_size: int = 100
    auto_reload: bool = True
    encoding: str = "utf-8"
    enable_async: bool = True
    trim_blocks: bool = True
    lstrip_blocks: bool = True
    custom_filters: Mapping[str, Any] = field(default_factory=dict)
    custom_globals: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorSettings(Section):
    """Shapes of errors that differ from 2.11's, and what reports of them tell.

    Attributes:
        report_locals: Local variables of the application's own code too, scrubbed.
    """

    http_exception_body: Literal["problem", "detail"] = "problem"
    duplicate_routes: Literal["refuse", "first-wins"] = "refuse"
    report_locals: bool = False


@dataclass(frozen=True, slots=True)
class ServerSettings(Section):
    """Where ``nexios run`` listens and how long it waits (section ``server``).

    Attributes:
        uds: Path of a Unix socket, instead of host and port.
        workers: Processes that serve, when the application is given as an import string.
        management: ``host:port`` of a second listener, for the details of health and for metrics;
            a port alone is one of 127.0.0.1. None for no such listener.
        http: What reads requests; ``auto`` is httptools where it is installed, else h11.
        ws: ``none`` serves no sockets.
        loop: The event loop; ``auto`` is uvloop where it is installed.
        startup_s: A start that takes longer has failed: everything critical that is checked for
            health must have answered once.
        wait: Wait without end instead for what is critical, and answer 503 meanwhile.
        drain_s: After SIGTERM it is not ready but serves on for so long, until balancers notice.
        grace_s: Then requests in flight have so long.
        loop_block_exit_s: An event loop that stands for so long ends its process; None lets it.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None
    workers: int = 1
    management: str | None = None
    http: Literal["auto", "httptools", "h11"] = "auto"
    ws: Literal["auto", "none"] = "auto"
    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    startup_s: float = 30.0
    drain_s: float = 5.0
    grace_s: float = 20.0
    wait: bool = False
    loop_block_exit_s: float | None = 30.0

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        _within("port", self.port, 0, 65535)
        _within("workers", self.workers, 1, 1024)
        if self.uds == "":
            raise ValueError("uds must be the path of a Unix socket, or None")
        for name in ("startup_s", "loop_block_exit_s"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name} must be above zero")
        if self.management is not None:
            listening_address(self.management)


def listening_address(text: str) -> tuple[str, int]:
    """Return host and port of ``host:port``, ``[::1]:port``, or a port of 127.0.0.1.

    Raises:
        ValueError: It is none of these.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        host = "127.0.0.1"
    elif host[:1] == "[" and host[-1:] == "]":
        host = host[1:-1]
    elif ":" in host:
        host = ""  # an address of IPv6 without brackets: which colon is the port's?
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError(
            f"management must be host:port like 127.0.0.1:9090, [::1]:9090 or 9090, not {text!r}"
        )
    return host, int(port)


@dataclass(frozen=True, slots=True)
class HealthSettings(Section):
    """What probes are answered with (section ``health``).

    Attributes:
        enabled: Answer ``/health/live``, ``/health/ready`` and ``/health/startup``.
        interval_s: How often checks are asked while no probe comes.
    """

    enabled: bool = True
    interval_s: float = 5.0

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.interval_s <= 0:
            raise ValueError("interval_s must be above zero")


@dataclass(frozen=True, slots=True)
class SheddingSettings(Section):
    """When `LoadSheddingMiddleware` refuses work (section ``shedding``).

    Attributes:
        target_lag_s: How late the event loop may be for long.
        max_running: How many requests run at once, however prompt it is; None for any number.
    """

    target_lag_s: float = 0.01
    max_running: int | None = None

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.target_lag_s <= 0 or self.max_running == 0:
            raise ValueError("target_lag_s and max_running must be above zero")


@dataclass(frozen=True, slots=True)
class TelemetrySettings(Section):
    """What is seen of the application from outside (section ``telemetry``).

    Attributes:
        logging: How ``nexios run`` writes: JSON lines, text, or text on a terminal and JSON
            elsewhere. ``off`` leaves logging to the application.
        access_log: Write a line for each request, where ``nexios run`` writes at all.
        metrics: Count for Prometheus; needs the extra ``metrics``.
        metrics_path: Where Prometheus reads them; trusted peers alone, and only directly.
        traces: Make spans by OpenTelemetry; needs the extra ``otel``, and an exporter of yours.
    """

    logging: Literal["auto", "json", "text", "off"] = "auto"
    access_log: bool = True
    metrics: bool = False
    metrics_path: str = "/metrics"
    traces: bool = False

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if not _is_path(self.metrics_path):
            raise ValueError("metrics_path must be a path of this application, like /metrics")


@dataclass(frozen=True, slots=True)
class OutboxSettings(Section):
    """The worker that delivers events after commit (section ``outbox``).

    Attributes:
        in_process: Servers run it too; otherwise `nexios worker` alone does.
        workers: How many deliveries at a time.
        poll_interval_s: The longest wait when a wake-up is lost.
        keep_s: How long delivered events and messages of the inbox are kept; None for ever.
    """

    in_process: bool = True
    workers: int = 2
    poll_interval_s: float = 1.0
    keep_s: float | None = 7 * 86_400.0

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.workers < 1 or self.poll_interval_s <= 0:
            raise ValueError("workers and poll_interval_s must be above zero")

"""What browsers are told and believed: origins, headers, requests of other sites."""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final, Literal

from nexios.application.sections.section import Section, Texts, within
from nexios.records import dataclass

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HEADERS: Final = ("Accept", "Accept-Language", "Content-Language", "Content-Type")


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
        within("custom_error_status", self.custom_error_status, 400, 499)
        within("preflight_status", self.preflight_status, 200, 299)


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

"""Every setting Nexios knows, with its default."""

from dataclasses import field
from typing import Final, Literal

from nexios.application.keyring import Secret
from nexios.application.limits import Limits
from nexios.application.realtime import EventSettings, RealtimeSettings
from nexios.application.sections.answers import (
    ErrorSettings,
    NotFoundSettings,
    OpenApiSettings,
    TemplateSettings,
)
from nexios.application.sections.browsers import CorsSettings, CsrfSettings, SecuritySettings
from nexios.application.sections.callers import AuthSettings, SessionSettings
from nexios.application.sections.section import Texts
from nexios.application.sections.serving import (
    HealthSettings,
    OutboxSettings,
    ServerSettings,
    SheddingSettings,
    TelemetrySettings,
)
from nexios.records import dataclass

TEST_HOST: Final = "testclient"
PRIVATE_NETWORKS: Final[Texts] = (
    *("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    TEST_HOST,
)


@dataclass(frozen=True, slots=True)
class Known:
    """The settings by name; what they must be beyond their types is in ``setting_types.py``."""

    debug: bool = False
    env: Literal["dev", "test", "staging", "prod"] = "dev"
    secret_key: tuple[Secret, ...] = ()
    jwt_algorithms: Texts = ("HS256",)
    trusted_proxies: Texts = PRIVATE_NETWORKS
    allowed_hosts: Texts | None = None
    trailing_slash: Literal["strict", "redirect", "ignore"] = "strict"
    compat: Literal["2.11"] | None = None
    database_url: str | None = None
    container: Literal["compiled", "interpreted"] = "compiled"
    cors: CorsSettings = field(default_factory=CorsSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    session: SessionSettings = field(default_factory=SessionSettings)
    csrf: CsrfSettings = field(default_factory=CsrfSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    openapi: OpenApiSettings = field(default_factory=OpenApiSettings)
    not_found: NotFoundSettings = field(default_factory=NotFoundSettings)
    templating: TemplateSettings = field(default_factory=TemplateSettings)
    errors: ErrorSettings = field(default_factory=ErrorSettings)
    limits: Limits = field(default_factory=Limits)
    server: ServerSettings = field(default_factory=ServerSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    shedding: SheddingSettings = field(default_factory=SheddingSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    events: EventSettings = field(default_factory=EventSettings)
    realtime: RealtimeSettings = field(default_factory=RealtimeSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)

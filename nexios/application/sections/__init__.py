"""The named groups of settings, each checked where it is made."""

from nexios.application.sections.answers import (
    ErrorSettings,
    NotFoundSettings,
    OpenApiSettings,
    TemplateSettings,
)
from nexios.application.sections.browsers import CorsSettings, CsrfSettings, SecuritySettings
from nexios.application.sections.callers import AuthSettings, SessionSettings
from nexios.application.sections.section import Section, Texts
from nexios.application.sections.serving import (
    HealthSettings,
    OutboxSettings,
    ServerSettings,
    SheddingSettings,
    TelemetrySettings,
    listening_address,
)

__all__ = [
    "AuthSettings",
    "CorsSettings",
    "CsrfSettings",
    "ErrorSettings",
    "HealthSettings",
    "NotFoundSettings",
    "OpenApiSettings",
    "OutboxSettings",
    "Section",
    "SecuritySettings",
    "ServerSettings",
    "SessionSettings",
    "SheddingSettings",
    "TelemetrySettings",
    "TemplateSettings",
    "Texts",
    "listening_address",
]

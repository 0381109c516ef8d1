"""What a cookie proves: nothing, when a page of another site has the browser send it."""

from functools import lru_cache
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.origins import OriginSet, has_same_origin, own_origin
from nexios.application.errors import Forbidden
from nexios.application.sections.browsers import CsrfSettings

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class CrossSiteRequest(Forbidden):
    """A page of another site had the browser send this, cookies and all: 403."""

    def __init__(self, message: str = "a page of another site sent this") -> None:
        super().__init__(message)


class Evidence:
    """Asks requests for evidence that a page of ours sent them (security page, 4.2)."""

    __slots__ = ("_required", "_trusted")

    def __init__(self, settings: CsrfSettings | None = None) -> None:
        """Take the section ``csrf``; the defaults without one."""
        settings = settings or CsrfSettings()
        self._trusted = OriginSet(settings.trusted_origins)
        self._required = settings.require_origin

    @staticmethod
    def of(connection: Connection) -> "Evidence":
        """Return that of the application that serves a request."""
        app: Any = connection.scope.get("app")
        return _of(CsrfSettings() if app is None else app.config.csrf)

    def given(self, connection: Connection) -> bool:
        """Return whether it is there, or not needed: what is safe changes nothing."""
        if connection.scope["type"] == "http" and connection.scope["method"] in _SAFE:
            return True
        if connection.scope["type"] != "http":
            return True  # the handshake has its own, stricter rule
        sites = connection.headers.getlist("sec-fetch-site")
        origins = connection.headers.getlist("origin")
        if len(sites) > 1 or len(origins) > 1:
            return False  # no browser sends two; which one counts would be a guess
        return has_same_origin(
            fetch_site=sites[0] if sites else None,
            origin=origins[0] if origins else None,
            own=own_origin(connection.scheme, connection.host),
            trusted=self._trusted,
            required=self._required,
        )

    def insist(self, connection: Connection) -> None:
        """Refuse a request without it.

        Raises:
            CrossSiteRequest: A page of another site sent it.
        """
        if not self.given(connection):
            raise CrossSiteRequest


@lru_cache(maxsize=64)
def _of(settings: CsrfSettings) -> Evidence:
    # Its origins are parsed once for an application.
    return Evidence(settings)

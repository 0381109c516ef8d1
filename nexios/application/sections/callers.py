"""Who is calling: logins, tokens and the cookie of sessions."""

from pathlib import Path
from typing import Literal

from nexios.application.sections.section import Section, is_path
from nexios.records import dataclass


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
        if self.login_url is not None and not is_path(self.login_url):
            raise ValueError("login_url must be a path of this application, like /login")
        for name in ("access_s", "refresh_idle_s", "refresh_absolute_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above zero")


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

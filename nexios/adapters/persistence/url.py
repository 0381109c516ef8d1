"""Reads a database URL and the keywords beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, TypedDict
from urllib.parse import unquote, urlsplit

from nexios.adapters.persistence.errors import UnknownDriver, UnknownOption
from nexios.adapters.persistence.placeholders import Store
from nexios.application.spelling import suggestion

_SCHEMES: Final[Mapping[str, Store]] = {
    "postgres": Store.POSTGRESQL,
    "postgresql": Store.POSTGRESQL,
    "postgresql+asyncpg": Store.POSTGRESQL,
    "postgres+asyncpg": Store.POSTGRESQL,
    "sqlite": Store.SQLITE,
    "sqlite+aiosqlite": Store.SQLITE,
}
_FORMS: Final = (
    'Database("postgresql://user:password@host:5432/name") or Database("sqlite:///file.db")'
)
_PASSWORD: Final = re.compile(r"(?<=//)([^:/?#@]*):.*(?=@)")
_PASSWORD_FIELD: Final = re.compile(r"([?&](?:password|sslpassword)=)[^&#]*", re.IGNORECASE)


class DatabaseOptions(TypedDict, total=False):
    """Keywords of ``Database``; times are in seconds, 0 switches a limit off.

    ``max_waiting`` is how many may wait for a connection, 4 for each by default; one more is
    `Unavailable` at once. ``workers`` is how many processes have a pool like this, by default
    what ``WEB_CONCURRENCY`` says. Who holds a connection for ``held_warning_s`` is logged.
    """

    pool_size: int
    pool_timeout_s: float
    max_waiting: int | None
    workers: int | None
    held_warning_s: float
    connect_timeout_s: float
    start_timeout_s: float
    statement_timeout_s: float
    lock_timeout_s: float
    idle_in_transaction_timeout_s: float
    client_check_interval_s: float
    probe_after_s: float
    pooler: bool
    application_name: str
    ignores_tenants: bool


@dataclass(frozen=True, slots=True)
class Options:
    """The keywords of ``Database`` with their defaults; see `DatabaseOptions`."""

    pool_size: int = 10
    pool_timeout_s: float = 2.0
    max_waiting: int | None = None
    workers: int | None = None
    held_warning_s: float = 10.0
    connect_timeout_s: float = 5.0
    start_timeout_s: float = 10.0
    statement_timeout_s: float = 5.0
    lock_timeout_s: float = 2.0
    idle_in_transaction_timeout_s: float = 10.0
    client_check_interval_s: float = 1.0
    probe_after_s: float = 1.0
    pooler: bool = False
    application_name: str = "nexios"
    ignores_tenants: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value < (field.name in ("pool_size", "workers")):
                raise UnknownOption(f"{field.name}={value!r} is too small")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where a database is.

    Attributes:
        store: Which of the two kinds.
        driver_url: What asyncpg takes (scheme ``postgresql``); empty for SQLite.
        path: The file of a SQLite database; None for PostgreSQL and for memory.
        masked: The URL without its password, fit for a text.
    """

    store: Store
    driver_url: str
    path: Path | None
    masked: str

    @property
    def in_memory(self) -> bool:
        return self.store is Store.SQLITE and self.path is None


def parse_url(url: str) -> DatabaseUrl:
    """Read ``url``.

    Raises:
        UnknownDriver: Its scheme is not one of ours, or a SQLite URL names a host.
    """
    scheme, mark, rest = url.partition("://")
    store = _SCHEMES.get(scheme.lower())
    if store is None or not mark:
        raise UnknownDriver(
            f'"{scheme if mark else ""}" in {masked(url)}: Nexios speaks postgresql and sqlite',
            fix=_FORMS,
        )
    if store is Store.POSTGRESQL:
        return DatabaseUrl(store, f"postgresql://{rest}", None, masked(url))
    return DatabaseUrl(store, "", _sqlite_path(url), url)


def parse_options(given: Mapping[str, object]) -> Options:
    """Return the options, defaults filled in.

    Raises:
        UnknownOption: A keyword does not exist; names the near one.
    """
    known = [field.name for field in fields(Options)]
    for name in given:
        if name not in known:
            near = suggestion(name, known)
            raise UnknownOption(
                f'Database has no option "{name}"',
                fix=f"{near}={given[name]!r}" if near else f"one of {', '.join(known)}",
            )
    return Options(**given)  # type: ignore[arg-type]  # checked by DatabaseOptions at the call


def masked(url: str) -> str:
    """Return ``url`` with ``***`` for every password in it."""
    return _PASSWORD_FIELD.sub(r"\1***", _PASSWORD.sub(r"\1:***", url))


def _sqlite_path(url: str) -> Path | None:
    parts = urlsplit(url)
    if parts.netloc or parts.query:
        raise UnknownDriver(
            f"{masked(url)} names a host or options: a SQLite URL is a path",
            fix='"sqlite:///file.db", "sqlite:////absolute/file.db" or "sqlite://" for memory',
        )
    path = unquote(parts.path)[1:]
    return None if path in ("", ":memory:") else Path(path)

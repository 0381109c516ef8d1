"""What is known of an application before it goes to production; the rules are in `deploy`."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from nexios.application.keyring import Secret
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class CorsFacts:
    """Who grants origins, and which."""

    where: str
    origins: tuple[str, ...]
    credentials_written: bool
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CookieFacts:
    """A cookie that something is proven by; ``secure`` is None for as the request."""

    where: str
    secure: bool | None
    samesite: str


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """A pool; what the server alone knows stays as it is here where it was not asked.

    Attributes:
        superuser: The login may do everything.
        owned: Tables of the audit that it owns, so that it can drop what protects them.
        unsealed: How many committed changes no seal vouches for, where there is no seal at all.
    """

    name: str
    pool_size: int
    statement_timeout_s: float
    server_limit: int | None = None
    superuser: bool = False
    owned: Sequence[str] = ()
    unsealed: int = 0


@dataclass(frozen=True, slots=True)
class EntranceFacts:
    """A way in."""

    label: str
    path: str
    methods: tuple[str, ...]
    open: bool
    public: bool
    rated: bool = False
    where: str = ""


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """Where users log in."""

    name: str
    issuer: str
    allow_private: bool


@dataclass(frozen=True, slots=True)
class DeployFacts:
    """All that the rules look at.

    Attributes:
        secrets: Setting and text of every configured secret.
        secret_needed_by: What cannot work without ``secret_key``.
        allowed_hosts: None where every host is served.
        cors: Whoever grants origins; more than one is one too many.
        memory_stores: What lives in the memory of one process.
        trusted_written: The list of proxies was written out.
        https: Something says that it is reached by https.
        docs: Addresses of the document and its pages that anybody may read.
        signed_sessions: Sessions live in cookies, a login proves itself by them, and what is
            revoked is known to one process only.
        foreign_hmac: Backends that verify another issuer's tokens with a shared key.
        plain_secrets: The application's own settings that are named like secrets and are text.
        versions: Of the libraries that are installed.
        server: What serves, or will.
        lacking: Which rules of `nexios run` that server does not keep.
        starves: Under its event loop one connection is accepted a turn.
    """

    debug: bool = False
    workers: int = 1
    secrets: Sequence[tuple[str, Secret]] = ()
    secret_needed_by: Sequence[str] = ()
    allowed_hosts: Sequence[str] | None = None
    cors: Sequence[CorsFacts] = ()
    cookies: Sequence[CookieFacts] = ()
    memory_stores: Sequence[str] = ()
    databases: Sequence[DatabaseFacts] = ()
    trusted_proxies: Sequence[str] = ()
    trusted_written: bool = False
    https: bool = False
    ssl_redirect: bool = False
    hsts: bool = False
    hsts_preload: bool = False
    hsts_subdomains: bool = False
    entrances: Sequence[EntranceFacts] = ()
    docs: Sequence[str] = ()
    signed_sessions: bool = False
    foreign_hmac: Sequence[str] = ()
    access_s: float = 600.0
    sheds: bool = False
    deadline: bool = False
    plain_secrets: Sequence[str] = ()
    providers: Sequence[ProviderFacts] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    server: str = "nexios run"
    lacking: Sequence[str] = ()
    starves: bool = False

"""Gathers what the rules for production look at, and refuses a start that they refuse."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Final

import anyio

from nexios.adapters.asgi.origins import OriginSet
from nexios.adapters.asgi.serving import RULES, kept_by
from nexios.application.deploy import FLOORS, UnfitForProduction, errors
from nexios.application.deploy_facts import (
    CookieFacts,
    CorsFacts,
    DatabaseFacts,
    DeployFacts,
    EntranceFacts,
    ProviderFacts,
)
from nexios.application.errors import Unavailable
from nexios.application.keyring import Secret
from nexios.application.one_time import OneTime
from nexios.application.rates import CounterStore
from nexios.application.revocations import Revocations
from nexios.application.scrub import is_secret
from nexios.application.sections.browsers import CorsSettings
from nexios.application.sessions import SessionStore
from nexios.auth.access import Entrance
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.backends.oidc import OIDCAuthBackend
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.config import MakeConfig
from nexios.container.container import Container
from nexios.middleware.cors import CORSMiddleware
from nexios.middleware.csrf import CSRFMiddleware
from nexios.middleware.hosts import TrustedHostMiddleware
from nexios.middleware.rate_limiting import RateGuard, RateLimitMiddleware
from nexios.middleware.security import SecurityMiddleware
from nexios.middleware.session import SessionMiddleware

_DATABASES: Final = "nexios.adapters.persistence.database"
_OURS: Final = "nexios.adapters."
_ASK_S: Final = 10.0


async def facts_asked(app: Any, workers: int | None = None) -> tuple[DeployFacts, list[str]]:
    """Return what is known when the databases are asked too, and what kept them from answering.

    The container is opened for that, no hook runs and nobody is served.

    Args:
        app: The NexiosApp.
        workers: As for `facts_of`.
    """
    facts = facts_of(app, workers)
    container, home = _wired(app), sys.modules.get(_DATABASES)
    if container is None or home is None:
        return facts, []
    # There is a database, so its room is loaded.
    from nexios.adapters.persistence.errors import DatabaseError
    from nexios.adapters.persistence.standing import standing_of

    told: list[DatabaseFacts] = []
    silent: list[str] = []
    bindings = dict(_bindings(container, app.config.env))
    try:
        with anyio.fail_after(_ASK_S):
            async with container:
                # Those that a module keeps to itself are not asked.
                if home.Database in bindings and home.Database in container:
                    await container.get(home.Database)
                for database in _pools(container, bindings, home.Database):
                    stands = asdict(await standing_of(database))
                    told.append(replace(_pool(database), **stands))
                    await database.stop()
    except (Unavailable, TimeoutError, DatabaseError) as error:
        silent.append(str(error) or f"no answer within {_ASK_S:g} s")
    return (replace(facts, databases=told) if told and not silent else facts), silent


def facts_of(app: Any, workers: int | None = None) -> DeployFacts:
    """Return what is known of an application; of one that cannot be wired, less.

    Args:
        app: The NexiosApp; this file stands below it.
        workers: How many processes serve; otherwise what settings or ``WEB_CONCURRENCY`` say.
    """
    config: MakeConfig = app.config
    around = _Around(app.http_middleware)
    container = _wired(app)
    entrances: Sequence[Entrance] = () if container is None else app.entrances
    bindings = {} if container is None else dict(_bindings(container, config.env))
    security = around.first(SecurityMiddleware)
    policy = None if security is None else (security.settings or config.security)
    hosts = around.first(TrustedHostMiddleware)
    cookies = list(_cookies(around, config))
    return DeployFacts(
        debug=app.debug,
        workers=workers or _workers(config),
        secrets=list(_secrets(around, config)),
        secret_needed_by=list(_needing(around, config, bindings)),
        allowed_hosts=(hosts.hosts if hosts is not None else None) or config.allowed_hosts,
        cors=list(_cors(around, config)),
        cookies=cookies,
        memory_stores=list(_in_memory(around, entrances, bindings)),
        databases=list(_databases(container, bindings)),
        trusted_proxies=config.trusted_proxies,
        trusted_written=config.is_written("trusted_proxies"),
        https=any(one.secure for one in cookies) or config.security.ssl_host is not None,
        ssl_redirect=policy is not None and policy.ssl_redirect,
        hsts=policy is not None and policy.hsts_enabled,
        hsts_preload=policy is not None and policy.hsts_preload,
        hsts_subdomains=policy is not None and policy.hsts_include_subdomains,
        entrances=[_entrance(one, rated=around.has(RateLimitMiddleware)) for one in entrances],
        docs=_docs(config),
        signed_sessions=_signed(around, bindings),
        foreign_hmac=[
            f"backend {one.scheme!r}: {one.issuer}"
            for one in around.backends
            if isinstance(one, JWTAuthBackend) and one.issuer is not None and one.secrets
        ],
        access_s=config.auth.access_s,
        sheds=around.named("LoadSheddingMiddleware"),
        deadline=config.limits.request_s is not None or around.named("TimeoutMiddleware"),
        plain_secrets=sorted(_plain(_own(config))),
        providers=list(_providers(around)),
        versions=_versions(),
    )


def served_by(server: str) -> dict[str, Any]:
    """Return the facts about what will serve, by the name that the command line has for it."""
    if server == "nexios":
        return {}
    # granian accepts in threads of its own.
    starves = server != "granian" and find_spec("uvloop") is not None
    kept = kept_by(server, uvloop=starves)
    return {
        "server": server if server != "other" else "another server",
        "lacking": [rule for rule in RULES if rule not in kept],
        "starves": starves,
    }


def insist_fit(app: Any) -> None:
    """Refuse to serve production with what `nexios check --deploy` calls an error.

    Raises:
        UnfitForProduction: With all of it; only with ``env="prod"``.
    """
    if app.config.env == "prod":
        found = errors(facts_of(app))
        if found:
            raise UnfitForProduction(found)


class _Around:
    """The middleware of an application, and whom it asks who is calling."""

    def __init__(self, middleware: Iterable[Any]) -> None:
        self.all = list(middleware)
        self.backends = [
            backend
            for one in self.all
            if isinstance(one, AuthenticationMiddleware)
            for backend in one.backends
        ]

    def first(self, kind: type[Any]) -> Any:
        return next((one for one in self.all if isinstance(one, kind)), None)

    def has(self, kind: type[Any]) -> bool:
        return self.first(kind) is not None

    def named(self, name: str) -> bool:
        """Look for a class by its name, which need not be loaded for that."""
        return any(kind.__name__ == name for one in self.all for kind in type(one).__mro__)


def _wired(app: Any) -> Container | None:
    try:
        container: Container = app.container
    except Exception:  # whoever wants to start or check it is told of that by itself
        return None
    return container


def _bindings(container: Container, profile: str) -> Iterator[tuple[Any, Any]]:
    """Yield for each key that is bound the class, function or value that answers."""
    for module in container.assembly.registry.modules:
        for declaration in module.declarations:
            if declaration.holds(profile):
                binding = declaration.settle().base
                yield binding.key.form, binding.source


def _workers(config: MakeConfig) -> int:
    told = os.environ.get("WEB_CONCURRENCY", "")
    from_environment = int(told) if told.isdecimal() else 0
    return max(config.server.workers, from_environment)


def _secrets(around: _Around, config: MakeConfig) -> Iterator[tuple[str, Secret]]:
    for number, one in enumerate(config.keyring.all if config.keyring is not None else ()):
        yield (f"secret_key[{number}]" if number else "secret_key"), one
    for backend in around.backends:
        if isinstance(backend, JWTAuthBackend):
            for one in backend.secrets:
                yield f"secret_key of backend {backend.scheme!r}", one


def _needing(around: _Around, config: MakeConfig, bindings: Mapping[Any, Any]) -> Iterator[str]:
    sessions = around.first(SessionMiddleware)
    if sessions is not None and sessions.signed and SessionStore not in bindings:
        yield "SessionMiddleware"
    csrf = around.first(CSRFMiddleware)
    if csrf is not None and (csrf.settings or config.csrf).enabled:
        yield "CSRFMiddleware"


def _cors(around: _Around, config: MakeConfig) -> Iterator[CorsFacts]:
    for one in around.all:
        if isinstance(one, CORSMiddleware):
            settings = config.cors if not one.written else one.settings
            written = one.written or {
                name for name in ("allow_credentials",) if config.is_written(f"cors.{name}")
            }
            yield _grants("CORSMiddleware", settings or config.cors, written)
        elif isinstance(one, SecurityMiddleware):
            security = one.settings or config.security
            if security.cors is not None:
                known = {"allow_credentials"} if _says(security, config) else set()
                yield _grants("SecurityMiddleware", security.cors, known)


def _says(security: Any, config: MakeConfig) -> bool:
    return security is not config.security or config.is_written("security.allow_credentials")


def _grants(where: str, settings: CorsSettings, written: Iterable[str]) -> CorsFacts:
    return CorsFacts(
        where,
        settings.allow_origins,
        bool(settings.allow_credentials) and "allow_credentials" in set(written),
        tuple(OriginSet(settings.allow_origins).malformed),
    )


def _cookies(around: _Around, config: MakeConfig) -> Iterator[CookieFacts]:
    sessions = around.first(SessionMiddleware)
    if sessions is not None:
        told = sessions.settings or config.session
        yield CookieFacts("sessions", told.cookie_secure, told.cookie_samesite)
    csrf = around.first(CSRFMiddleware)
    if csrf is not None:
        told = csrf.settings or config.csrf
        if told.enabled:
            yield CookieFacts("CSRFMiddleware", told.cookie_secure, told.cookie_samesite)


def _in_memory(
    around: _Around, entrances: Iterable[Entrance], bindings: Mapping[Any, Any]
) -> Iterator[str]:
    for key, source in bindings.items():
        kind = source if isinstance(source, type) else type(source)
        if kind.__name__.startswith("Memory") and kind.__module__.startswith(_OURS):
            yield f"{getattr(key, '__name__', key)}: {kind.__name__}"
    counts = around.has(RateLimitMiddleware) or any(map(_rated, entrances))
    if counts and CounterStore not in bindings:
        yield "CounterStore: rates are counted in memory where none is bound"
    if any(isinstance(one, OIDCAuthBackend) for one in around.backends) and (
        OneTime not in bindings
    ):
        yield "OneTime: logins under way are kept in memory where none is bound"


def _databases(
    container: Container | None, bindings: Mapping[Any, Any]
) -> Iterator[DatabaseFacts]:
    home = sys.modules.get(_DATABASES)  # who has none must not load SQLAlchemy for the question
    if home is None or container is None:
        return
    for one in _pools(container, bindings, home.Database):
        yield _pool(one)


def _pools(container: Container, bindings: Mapping[Any, Any], kind: type[Any]) -> list[Any]:
    running = container.singletons if container.running else ()
    seen = {id(one): one for one in (*bindings.values(), *running)}
    return [one for one in seen.values() if isinstance(one, kind)]


def _pool(database: Any) -> DatabaseFacts:
    told = database.options
    return DatabaseFacts(
        repr(database), told.pool_size, told.statement_timeout_s, database.server_limit
    )


def _rated(entrance: Entrance) -> bool:
    return any(isinstance(one, RateGuard) for one in entrance.guards)


def _entrance(one: Entrance, *, rated: bool) -> EntranceFacts:
    return EntranceFacts(
        label=one.label,
        path=one.path,
        methods=one.methods,
        open=not one.deciding,
        public=one.public,
        rated=rated or _rated(one),
        where=str(one.where) if one.where.line else one.where.file,
    )


def _docs(config: MakeConfig) -> list[str]:
    told = config.openapi
    if not told.enabled or told.openapi_url is None:
        return []
    urls = (told.openapi_url, told.swagger_url, told.redoc_url, told.asyncapi_url)
    return [url for url in urls if url]


def _signed(around: _Around, bindings: Mapping[Any, Any]) -> bool:
    sessions = around.first(SessionMiddleware)
    login = any(getattr(one, "cookie_borne", False) for one in around.backends)
    if sessions is None or not login or not sessions.signed or SessionStore in bindings:
        return False
    source = bindings.get(Revocations)
    kind = source if isinstance(source, type) else type(source)
    return source is None or kind.__name__.startswith("Memory")


def _own(config: MakeConfig) -> dict[str, object]:
    known = MakeConfig.__annotations__
    held = vars(config).items()
    return {name: value for name, value in held if name not in known and name[:1] != "_"}


def _plain(values: Mapping[str, object], above: str = "") -> Iterator[str]:
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _plain(value, f"{path}.")
        elif isinstance(value, str) and value and is_secret(name):
            yield path


def _providers(around: _Around) -> Iterator[ProviderFacts]:
    for backend in around.backends:
        if isinstance(backend, OIDCAuthBackend):
            one: Any = backend.provider
            issuer = str(getattr(one, "issuer", ""))
            private = bool(getattr(one, "allow_private", False))
            yield ProviderFacts(backend.provider.name, issuer, private)


def _versions() -> dict[str, str]:
    found = {}
    for name in FLOORS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found

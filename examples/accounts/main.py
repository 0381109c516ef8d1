"""Accounts: `nexios run examples.accounts.main:app`.

SQLite in `accounts.db` by default; `NEXIOS_DATABASE_URL=postgresql://...` puts it on PostgreSQL.
`NEXIOS_OIDC_ISSUER` with `NEXIOS_OIDC_CLIENT_ID` and `NEXIOS_OIDC_CLIENT_SECRET` adds the login
at that provider: `/auth/partner/login`.
"""

import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

from examples.accounts.adapters.http import MeController, MemberController, TokenController
from examples.accounts.adapters.persistence import SqlMembers, metadata
from examples.accounts.application.joining import Joining
from examples.accounts.application.passwords import MemberCredentials, Passwords
from examples.accounts.application.roster import ROLES, Roster
from examples.accounts.domain.member import Member, Members
from nexios import Depend, MakeConfig, Module, NexiosApp, Scope
from nexios.adapters.persistence import Database, SqlUnitOfWork, create_tables
from nexios.adapters.persistence.sessions import SqlSessions
from nexios.adapters.persistence.tokens import SqlRefreshTokens, SqlRevocations
from nexios.adapters.security.algorithms import hmac_keys
from nexios.adapters.security.jwt import JwtCodec
from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.adapters.security.oidc import OIDCProvider
from nexios.adapters.security.passwords import Argon2Passwords
from nexios.application import Roles, UnitOfWork
from nexios.application.identity_provider import ExternalIdentity
from nexios.application.keyring import Keyring
from nexios.application.login import Credentials, PasswordLogin
from nexios.application.passwords import PasswordHasher
from nexios.application.rates import CounterStore
from nexios.application.refresh_tokens import RefreshTokens
from nexios.application.revocations import Revocations
from nexios.application.sessions import SessionStore
from nexios.application.token_pairs import TokenPairs
from nexios.application.tokens import TokenCodec
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.backends.oidc import OIDCAuthBackend
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.auth.oidc import oidc_routes
from nexios.middleware import SecurityMiddleware, SessionMiddleware

DEFAULT_URL: Final = "sqlite:///accounts.db"


def store(url: str) -> Module:
    """Return what is kept, behind its ports."""
    module = Module("store")

    @module.provides(scope=Scope.SINGLETON)
    async def database() -> AsyncIterator[Database]:
        async with Database(url) as opened:
            await create_tables(opened, metadata)
            yield opened

    module.bind(SqlUnitOfWork)
    module.bind(UnitOfWork).alias(SqlUnitOfWork)
    module.bind(RefreshTokens, scope=Scope.SINGLETON).to(SqlRefreshTokens)
    module.bind(Revocations, scope=Scope.SINGLETON).to(SqlRevocations)
    module.bind(SessionStore, scope=Scope.SINGLETON).to(SqlSessions)
    module.bind(CounterStore, scope=Scope.SINGLETON).to(MemoryCounters)
    module.export(SqlUnitOfWork, UnitOfWork, RefreshTokens, Revocations)
    return module.export(SessionStore, CounterStore)


def accounts(kept: Module) -> Module:
    """Return the context: members, their passwords and tokens."""
    module = Module("accounts")
    module.include(kept)
    module.bind(Roles).value(ROLES)
    module.bind(Members).to(SqlMembers)
    module.bind(PasswordHasher, scope=Scope.SINGLETON).to(Argon2Passwords)
    module.bind(Credentials).to(MemberCredentials)
    module.bind(PasswordLogin)
    module.bind(TokenPairs, scope=Scope.SINGLETON)

    @module.provides(scope=Scope.SINGLETON)
    def codec(keyring: Keyring) -> TokenCodec:
        return JwtCodec(hmac_keys(keyring.all, ["HS256"]))

    for one in (Joining, Passwords, Roster):
        module.bind(one)
    module.controllers(TokenController, MeController, MemberController)
    return module.export(Joining, Roster, TokenCodec, Revocations, SessionStore)


async def member_of_token(sub: str, joining: Joining = Depend()) -> Member | None:
    """Return the member a token is about, with the roles they have now."""
    return await joining.member(sub)


async def member_of_provider(
    identity: ExternalIdentity, joining: Joining = Depend()
) -> Member | None:
    """Return the member a provider vouches for; a new one the first time."""
    likes = str(identity.get("preferred_username") or identity.get("name") or "")
    return await joining.known(f"{identity.provider}:{identity.subject}", likes)


def application(config: MakeConfig) -> NexiosApp:
    """Compose it over the database that ``config`` names."""
    app = NexiosApp(accounts(store(config.database_url or DEFAULT_URL)), config=config)
    app.title = "Accounts"
    backends: list[Any] = [JWTAuthBackend(member_of_token)]
    if config["oidc_issuer"]:
        partner = OIDCProvider(
            "partner",
            issuer=config["oidc_issuer"],
            client_id=config["oidc_client_id"],
            client_secret=config["oidc_client_secret"],
            scopes=("openid", "profile"),
            allow_private=config.env != "prod",
        )
        backends.append(OIDCAuthBackend(partner, member_of_provider))
        app.add_middleware(SessionMiddleware())
        app.mount_router(oidc_routes(partner), "/auth")
    app.add_middleware(SecurityMiddleware())
    app.add_middleware(AuthenticationMiddleware(backend=backends))
    return app


app = application(
    MakeConfig(
        # A secret for one life of the process; NEXIOS_SECRET_KEY keeps tokens good beyond it.
        defaults={"secret_key": secrets.token_urlsafe(32)},
        auth={"deny_by_default": True},
    )
)

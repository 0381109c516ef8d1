"""Bearer tokens: the backend, and the two functions to make and read a token by hand."""

import re
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from time import time
from typing import Any, Final, Protocol

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.security.algorithms import (
    ASYMMETRIC,
    HMAC_BYTES,
    HmacKey,
    UnusableKey,
    hmac_keys,
)
from nexios.adapters.security.jwks import Fetches, JwksSource, JwksVerifier
from nexios.adapters.security.jwt import JwtVerifier, encode
from nexios.adapters.security.outbound import Outbound
from nexios.adapters.security.profile import Profile
from nexios.application.grants import scopes_in
from nexios.application.keyring import Secret
from nexios.application.limits import Limits
from nexios.application.replica import RevocationReplica
from nexios.application.revocations import Credential, Revocations
from nexios.application.token_pairs import SESSION_CLAIM
from nexios.application.tokens import TokenCodec, TokenError
from nexios.auth.backends.base import Proof, moment_in
from nexios.auth.backends.loading import Loader, LoadingBackend
from nexios.auth.exceptions import AuthenticationFailed
from nexios.config import default_config
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.entry import Entry, EntryPoint

_DEFAULT_LIFETIME_S: Final = 3600
_FETCH_S: Final = 3.0
_BEARER: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*)")
_IN_QUERY: Final = b"access_token="  # RFC 6750, 2.3, which RFC 9700, 4.3.2 forbids
_REFUSED: Final = 'Bearer error="invalid_token"'

SecretKey = str | Secret | Sequence[str | Secret]


class Verifies(Protocol):
    """What the backend needs of a codec: a verifier of any kind, awaited or not."""

    def verify(self, token: str) -> Mapping[str, object] | Awaitable[Mapping[str, object]]:
        """Return the claims of a token, or say `TokenError`."""
        ...


class MissingSecret(UnusableKey):
    """A JWT backend was added to an app, and there is no key to verify with."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return (
            f"the JWT backend {self.name!r} has no key to verify tokens with\n"
            "  fix: NexiosApp(config=MakeConfig(secret_key=...))   (or NEXIOS_SECRET_KEY)\n"
            "    or JWTAuthBackend(..., secret_key=...)\n"
            "    or bind a TokenCodec: module.bind(TokenCodec).to(...)\n"
            "    or JWTAuthBackend(..., issuer='https://...', audience=...): it publishes keys"
        )


class JWTAuthBackend(LoadingBackend):
    """Proves a user by exactly one ``Authorization: Bearer`` token.

    Keys come from the first that is there of ``codec``, ``secret_key``, ``jwks_url``, a bound
    `TokenCodec`, the metadata of an ``issuer`` that is a URL, and the app's secret.

    Args:
        load_user: Called with the claims as keywords, only those it has parameters for, or all
            for ``**claims``. It may ask for services with ``Depend``. What it returns is
            ``request.user``; None is nobody. Without it the claims are the user.
        secret_key: Overrides the app's; several verify all.
        algorithms: Overrides the app's ``jwt_algorithms``; of published keys all that there are
            unless it says which. Naming one of shared keys keeps an issuer from being asked.
        audience: With ``issuer``: only their access tokens for this audience are accepted.
        issuer: See ``audience``.
        leeway_s: By how many seconds clocks may differ.
        identifier: The claim that names the actor.
        codec: Verifies instead of the built-in verifier.
        jwks_url: Where the issuer publishes its keys, if its metadata does not say.
        outbound: Fetches keys; when absent one that asks only public servers, 3 s each.
        authenticate_func: 2.11's name of ``load_user``.

    Raises:
        UnusableKey: Issuer without audience, an unknown algorithm, a key that is none, or two
            sources of keys.
        ImportError: Keys are fetched, and the extra ``oauth`` is not installed.
    """

    def __init__(
        self,
        load_user: Callable[..., Any] | None = None,
        *,
        secret_key: SecretKey | None = None,
        algorithms: Sequence[str] | None = None,
        audience: str | None = None,
        issuer: str | None = None,
        leeway_s: float = 0.0,
        identifier: str = "sub",
        name: str = "jwt",
        codec: Verifies | None = None,
        jwks_url: str | None = None,
        outbound: Fetches | None = None,
        authenticate_func: Callable[..., Any] | None = None,
    ) -> None:
        if [codec, secret_key, jwks_url].count(None) < 2:
            raise UnusableKey(
                f"the JWT backend {name!r} has two sources of keys\n"
                "  fix: one of codec=, secret_key= and jwks_url="
            )
        load_user = authenticate_func if load_user is None else load_user
        self.scheme = name
        self._identifier = identifier
        self._loader = None if load_user is None else Loader(load_user, f"loader of {name!r}")
        self._profile = Profile(issuer, audience, leeway_s)
        self._secret = None if secret_key is None else _listed(secret_key)
        self._algorithms = algorithms
        self._outbound = outbound
        self._codec: Verifies | None = codec
        self._bound: Entry | None = None
        if jwks_url is not None:
            source = JwksSource(jwks_url, self._fetching(), algorithms=algorithms or ASYMMETRIC)
            self._codec = JwksVerifier(source, self._profile)
        self._strict = self._profile.strict or codec is not None
        self._revocable = False
        self._revocations: RevocationReplica | None = None
        self._max_bytes = Limits().token_bytes
        if codec is None and self._secret is not None and algorithms is not None:
            # Everything is known, so a mistake shows where it was written.
            self._codec = JwtVerifier(hmac_keys(self._secret, algorithms), self._profile)

    def wire(self, container: Container) -> None:
        """Have the loader planned, and find the `TokenCodec` that is bound, if any."""
        super().wire(container)
        self._revocable = Revocations in container
        if self._codec is None and self._secret is None and TokenCodec in container:
            self._bound = container.entry(EntryPoint(f"codec of {self.scheme!r}", _bound_codec))
            self._strict = True

    def bind(self, app: Any) -> None:
        """Build the verifier from the app's settings, unless there is a codec.

        Raises:
            MissingSecret: There is a key nowhere.
            UnusableKey: A key is short and ``env`` is ``prod``, or it is none at all.
        """
        self._revocations = getattr(app, "revocations", None)
        self._max_bytes = app.limits.token_bytes
        if self._codec is not None or self._bound is not None:
            return
        config = app.config
        if self._secret is None and self._is_discovered():
            self._codec = self._discovered(self._max_bytes)
            return
        secrets = self._secret or (None if app.keyring is None else app.keyring.all)
        if not secrets:
            raise MissingSecret(self.scheme)
        self._codec = JwtVerifier(
            hmac_keys(secrets, self._algorithms or config.jwt_algorithms),
            self._profile,
            max_bytes=self._max_bytes,
            refuse_short=config.env == "prod",
        )

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The shared keys of its own; the app's are not among them."""
        told = self._secret or ()
        return tuple(one if isinstance(one, Secret) else Secret(one) for one in told)

    @property
    def issuer(self) -> str | None:
        """Whose tokens alone it believes."""
        return self._profile.issuer

    def challenge(self) -> str:
        """Return the bare challenge (RFC 6750, 3)."""
        return "Bearer"

    def security_scheme(self) -> Mapping[str, object]:
        """Return a bearer token that is a JWT."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}

    def malformed(self, connection: Connection) -> str | None:
        """Return whether a token came twice, too long, or where others read it."""
        fields = connection.headers.getlist("authorization")
        if len(fields) > 1:
            return "two Authorization fields"
        if fields:
            long = len(bearer_token(connection) or "") > self._max_bytes
            return "a token over its limit" if long else None
        query: bytes = connection.scope.get("query_string", b"")
        return "a token in the query" if _IN_QUERY in query else None

    async def authenticate(self, connection: Connection) -> Proof | None:
        """Return who the token proves, or None when there is not exactly one.

        Raises:
            AuthenticationFailed: There is one, and it is not to be believed.
            Unavailable: Whether it was revoked has to be known, and is not.
        """
        token = bearer_token(connection)
        if token is None:
            return None
        codec = await self._verifier()
        try:
            claims = codec.verify(token)
            if isinstance(claims, Awaitable):
                claims = await claims
        except TokenError:
            raise AuthenticationFailed(challenges=(_REFUSED,)) from None
        credential = self._credential(claims)
        if self._revoked(credential):
            raise AuthenticationFailed(challenges=(_REFUSED,))
        user = claims if self._loader is None else await self._loader(claims)
        if not user:
            raise AuthenticationFailed(challenges=(_REFUSED,))
        return Proof(
            user,
            self.scheme,
            credential.subject,
            claims,
            scopes=scopes_in(claims),
            authenticated_at=moment_in(claims, "auth_time"),
            credential=credential,
        )

    def _credential(self, claims: Mapping[str, object]) -> Credential:
        return Credential(
            subject=_text(claims.get(self._identifier)),
            token=_text(claims.get("jti")),
            session=_text(claims.get(SESSION_CLAIM)),
            issued_at=_seconds(claims.get("iat")),
            expires_at=_seconds(claims.get("exp")),
        )

    def _revoked(self, credential: Credential) -> bool:
        """Return whether a token was revoked, or could not be because it has no name."""
        if self._revocable and self._strict and credential.token is None:
            return True
        return self._revocations is not None and self._revocations.refuses(credential)

    def _is_discovered(self) -> bool:
        """Return whether the issuer is one to ask for its keys."""
        issuer = self._profile.issuer
        return (
            issuer is not None
            and "://" in issuer
            and HMAC_BYTES.keys().isdisjoint(self._algorithms or ())
        )

    def _discovered(self, max_bytes: int) -> JwksVerifier:
        source = JwksSource.discovered(
            str(self._profile.issuer),
            self._fetching(),
            algorithms=self._algorithms or ASYMMETRIC,
        )
        return JwksVerifier(source, self._profile, max_bytes=max_bytes)

    def _fetching(self) -> Fetches:
        return Outbound(total_s=_FETCH_S) if self._outbound is None else self._outbound

    async def _verifier(self) -> Verifies:
        if self._bound is not None:
            plan = self._bound.plan
            found: Any = plan.call()
            return await found if plan.awaits else found  # type: ignore[no-any-return]  # the plan of _bound_codec
        if self._codec is None:
            raise MissingSecret(self.scheme)
        return self._codec


def _bound_codec(codec: TokenCodec = Depend()) -> TokenCodec:
    return codec


def _text(claim: object) -> str | None:
    return None if claim is None else str(claim)


def _seconds(claim: object) -> float | None:
    return float(claim) if isinstance(claim, (int, float)) else None


def bearer_token(connection: Connection) -> str | None:
    """Return the token of the one ``Authorization`` field; None for none, two, or another kind."""
    fields = connection.headers.getlist("authorization")
    found = _BEARER.fullmatch(fields[0]) if len(fields) == 1 else None
    return None if found is None else found[1]


def create_jwt(
    payload: Mapping[str, object],
    secret: str | Secret | None = None,
    algorithm: str = "HS256",
    expires_in: float | timedelta | None = None,
) -> str:
    """Return a signed token with these claims. ``payload`` is not changed.

    Args:
        secret: At least 32 bytes. Taking it from `set_config` is deprecated.
        expires_in: Seconds, or a timedelta; without it the payload's own ``exp``, else 3600 s.

    Raises:
        UnusableKey: There is no secret, or it or the algorithm cannot be used.
        ValueError: A claim cannot be written as JSON.
    """
    claims = {name: _as_number(value) for name, value in payload.items()}
    if expires_in is not None or "exp" not in claims:
        seconds = expires_in.total_seconds() if isinstance(expires_in, timedelta) else expires_in
        claims["exp"] = int(time() + (_DEFAULT_LIFETIME_S if seconds is None else seconds))
    (material,) = _listed(_secret_or_default(secret))
    (key,) = hmac_keys([material], [algorithm])
    return encode(claims, key)


def decode_jwt(
    token: str, secret: str | Secret | None = None, algorithms: Sequence[str] | None = None
) -> dict[str, object]:
    """Return the claims of a token that is signed with ``secret`` and has not ended.

    Raises:
        TokenError: "Token has expired" or "Invalid token".
        UnusableKey: There is no secret, or it or an algorithm cannot be used.
    """
    secrets = _listed(_secret_or_default(secret))
    keys: tuple[HmacKey, ...] = hmac_keys(secrets, algorithms or ("HS256",))
    return JwtVerifier(keys).verify(token)


def _listed(secret: SecretKey) -> tuple[str | Secret, ...]:
    return (secret,) if isinstance(secret, (str, Secret)) else tuple(secret)


def _secret_or_default(secret: str | Secret | None) -> str | Secret:
    if secret is not None:
        return secret
    config = default_config()
    if config is None or config.secret_key is None:
        raise UnusableKey("no secret was given; fix: pass secret=...")
    warnings.warn(
        "taking the secret from set_config() is deprecated: pass secret=...",
        DeprecationWarning,
        stacklevel=3,
    )
    return config.secret_key


def _as_number(value: object) -> object:
    """Write dates the way tokens do (RFC 7519, 2: NumericDate)."""
    return int(value.timestamp()) if isinstance(value, datetime) else value

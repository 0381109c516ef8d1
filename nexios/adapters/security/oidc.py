"""OpenID Connect: the provider is found by its issuer, and its ID tokens are checked here."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from nexios.adapters.security.claims import audiences, decoded, json_object
from nexios.adapters.security.jwks import JwksSource, JwksVerifier, discover
from nexios.adapters.security.oauth import METHODS, CodeFlowProvider, Endpoints
from nexios.adapters.security.oauth_answers import check_depth
from nexios.adapters.security.outbound import Outbound
from nexios.adapters.security.profile import Profile
from nexios.application.errors import Unavailable
from nexios.application.identity_provider import (
    ExternalIdentity,
    LoginRefused,
    ProviderTokens,
    ProviderUnavailable,
)
from nexios.application.keyring import Secret
from nexios.application.single_flight import SingleFlight
from nexios.application.tokens import TokenError

_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
_KNOWN_S: Final = 600.0
_MAX_AGE_S: Final = 600.0
_LEEWAY_S: Final = 30.0
# The hash that goes with an algorithm (OpenID Connect Core, 3.1.3.6); Ed25519 is defined with it.
_HASHES: Final = {"RS256": "sha256", "PS256": "sha256", "ES256": "sha256", "EdDSA": "sha512"}
# Of use for the check of this one token, and never again.
_SPENT: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})


@dataclass(frozen=True, slots=True)
class _Found:
    """What discovery found, for ten minutes."""

    endpoints: Endpoints
    algorithms: frozenset[str]
    verifier: JwksVerifier


class OIDCProvider(CodeFlowProvider):
    """A provider of OpenID Connect.

    Args:
        name: In routes and identities; a segment of a path.
        issuer: Its address, as its document and its tokens write it.
        client_id: Ours, there.
        client_secret: None for a public client.
        scopes: What to ask for; ``openid`` among them.
        algorithms: With which ID tokens may be signed, of those it announces.
        auth_method: ``client_secret_basic`` or ``client_secret_post``; as it announces without.
        authorize_params: What else browsers take there.
        allow_private: It may be in a private network, and on loopback without TLS.
        outbound: Asks it instead of one made for this.
        clock: Seconds since the epoch.

    Raises:
        ImportError: The extra ``oauth`` is not installed.
        ValueError: A name, an address or an algorithm cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | Secret | None = None,
        scopes: Sequence[str] = ("openid",),
        algorithms: Sequence[str] = _ALGORITHMS,
        auth_method: str | None = None,
        authorize_params: Mapping[str, str] | None = None,
        allow_private: bool = False,
        outbound: Outbound | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            name,
            client_id=client_id,
            client_secret=client_secret,
            scopes=scopes,
            auth_method=auth_method,
            authorize_params=authorize_params,
            allow_private=allow_private,
            outbound=outbound,
            clock=clock,
        )
        if "openid" not in scopes:
            raise ValueError("scopes of an OIDCProvider hold 'openid'; fix: OAuth2Provider")
        unknown = set(algorithms).difference(_ALGORITHMS)
        if unknown or not algorithms:
            raise ValueError(
                f"algorithms are some of {', '.join(_ALGORITHMS)}, not {', '.join(unknown)}"
            )
        self.issuer: Final = self._checked_url("issuer", issuer)
        self._algorithms = tuple(algorithms)
        self._profile = Profile(
            issuer=issuer,
            audience=client_id,
            leeway_s=_LEEWAY_S,
            kind="id",
            max_age_s=_MAX_AGE_S,
        )
        self._finding = SingleFlight[_Found](keep_s=_KNOWN_S)
        self._verifying: tuple[tuple[str, tuple[str, ...]], JwksVerifier] | None = None

    async def end(self, tokens: ProviderTokens | None, return_to: str) -> str | None:
        """Return where to send a browser (OpenID Connect RP-Initiated Logout, 2)."""
        url = (await self._endpoints()).end_session
        if url is None:
            return None
        told = {"client_id": self._client_id, "post_logout_redirect_uri": return_to}
        if tokens is not None and tokens.id_token is not None:
            told["id_token_hint"] = tokens.id_token
        return f"{url}{'&' if '?' in url else '?'}{urlencode(told)}"

    async def _endpoints(self) -> Endpoints:
        return (await self._known()).endpoints

    def _asked_besides(self, nonce: str) -> Mapping[str, str]:
        return {"nonce": nonce}

    async def _identify(
        self, endpoints: Endpoints, tokens: ProviderTokens, nonce: str
    ) -> ExternalIdentity:
        claims = await self._claims(tokens)
        told = claims.get("nonce")
        if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
            raise LoginRefused("the ID token is of another login")
        subject = str(claims["sub"])
        userinfo: dict[str, Any] = {}
        if endpoints.userinfo is not None:
            userinfo = await self._userinfo(endpoints.userinfo, tokens.access_token)
            if userinfo.get("sub") != subject:
                raise LoginRefused("the userinfo is of another subject than the ID token")
        kept = {name: value for name, value in claims.items() if name not in _SPENT}
        return ExternalIdentity(self.name, self.issuer, subject, kept, userinfo)

    async def _refreshed(self, tokens: ProviderTokens, old: str) -> ProviderTokens:
        fresh = await super()._refreshed(tokens, old)
        if fresh.id_token != tokens.id_token:
            claims = await self._claims(fresh)
            if claims["sub"] != tokens.subject:  # OpenID Connect Core, 12.2
                raise LoginRefused("the new ID token is of another subject")
        return fresh

    async def _claims(self, tokens: ProviderTokens) -> dict[str, object]:
        """Return what an ID token claims, once it is believed."""
        token = tokens.id_token
        if token is None:
            raise ProviderUnavailable("there is no ID token")
        found = await self._known()
        try:
            algorithm = _algorithm_of(token)
            if algorithm not in found.algorithms:
                raise LoginRefused(f"the ID token is signed by {algorithm[:20]!r}")
            claims = await found.verifier.verify(token)
            check_party(claims, self._client_id)
            check_depth(claims)
            check_hash(claims, algorithm, tokens.access_token)
        except TokenError as error:
            raise LoginRefused("the ID token is not one to believe") from error
        except Unavailable as error:
            raise ProviderUnavailable(f"keys: {error}") from error
        return claims

    async def _known(self) -> _Found:
        return await self._finding.do(self.issuer, self._find)

    async def _find(self) -> _Found:
        try:
            told = await discover(self.issuer, self._outbound)
        except Unavailable as error:
            raise ProviderUnavailable(f"discovery: {error}") from error
        try:
            return self._read(told)
        except ValueError as error:
            raise ProviderUnavailable(f"discovery: {error}") from error

    def _read(self, told: Mapping[str, Any]) -> _Found:
        """Read the provider's document (OpenID Connect Discovery, 3); its issuer is ours."""
        announced = _texts(told, "id_token_signing_alg_values_supported")
        algorithms = tuple(one for one in self._algorithms if one in announced)
        if not algorithms:
            raise ValueError("it announces no algorithm that is accepted here")

        def optional(name: str) -> str | None:
            return None if told.get(name) is None else self._checked_url(name, told[name])

        endpoints = Endpoints(
            authorize=self._checked_url(
                "authorization_endpoint", told.get("authorization_endpoint")
            ),
            token=self._checked_url("token_endpoint", told.get("token_endpoint")),
            userinfo=optional("userinfo_endpoint"),
            end_session=optional("end_session_endpoint"),
            issuer=self.issuer,
            names_issuer=told.get("authorization_response_iss_parameter_supported") is True,
            auth_method=self._method(told),
        )
        where = self._checked_url("jwks_uri", told.get("jwks_uri"))
        return _Found(endpoints, frozenset(algorithms), self._verifier(where, algorithms))

    def _verifier(self, jwks_uri: str, algorithms: tuple[str, ...]) -> JwksVerifier:
        """Return the same one as long as the document says the same: it remembers the keys."""
        if self._verifying is None or self._verifying[0] != (jwks_uri, algorithms):
            source = JwksSource(jwks_uri, self._outbound, algorithms=algorithms)
            made = JwksVerifier(source, self._profile, clock=self._clock)
            self._verifying = ((jwks_uri, algorithms), made)
        return self._verifying[1]

    def _method(self, told: Mapping[str, Any]) -> str:
        if self._auth_method is not None:
            return self._auth_method
        name = "token_endpoint_auth_methods_supported"
        announced = _texts(told, name) if name in told else METHODS
        able = [one for one in METHODS if one in announced]
        if not able and self._secret is not None:
            raise ValueError("it takes a client's secret in no way that is known here")
        return able[0] if able else METHODS[0]


def check_party(claims: Mapping[str, object], client_id: str) -> None:
    """Refuse a token that was made for another party (OpenID Connect Core, 3.1.3.7).

    Raises:
        TokenError: ``azp`` is another client, or is missing where there are several audiences.
    """
    told = audiences(claims.get("aud"))
    if "azp" in claims:
        if claims["azp"] != client_id:
            raise TokenError
    elif len(told) > 1:
        raise TokenError


def check_hash(claims: Mapping[str, object], algorithm: str, access_token: str) -> None:
    """Refuse an ID token that came with another access token, where it says with which.

    Raises:
        TokenError: ``at_hash`` is there and another.
    """
    if "at_hash" not in claims:
        return
    digest = hashlib.new(_HASHES[algorithm], access_token.encode("ascii")).digest()
    half = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    told = claims["at_hash"]
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), half):
        raise TokenError


def _algorithm_of(token: str) -> str:
    """Return the algorithm a token names; that it is signed by it, the verifier sees."""
    algorithm = json_object(decoded(token.partition(".")[0])).get("alg")
    if not isinstance(algorithm, str):
        raise TokenError
    return algorithm


def _texts(told: Mapping[str, Any], name: str) -> Collection[str]:
    value = told.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name} is no list of texts")
    return value

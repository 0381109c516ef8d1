"""The public keys of an issuer: read from a key set, found by discovery, kept and renewed."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

from nexios.adapters.security.algorithms import ASYMMETRIC, UnusableKey
from nexios.adapters.security.claims import json_object
from nexios.adapters.security.jwt import TOKEN_BYTES, JwtVerifier, UnknownKey
from nexios.adapters.security.kept import Kept
from nexios.adapters.security.outbound import OutboundError, Reason
from nexios.adapters.security.profile import Profile
from nexios.adapters.security.signing_keys import VerifyKey
from nexios.application.tokens import TokenError

JWKS_BYTES: Final = 64 * 2**10
JWKS_KEYS: Final = 32
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Fetches(Protocol):
    """What asks another server; `nexios.adapters.security.outbound.Outbound` is one."""

    async def get_json(
        self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None
    ) -> dict[str, object]:
        """Return the JSON object at ``url``, or say `OutboundError`."""
        ...


def keys_of(
    document: bytes | Mapping[str, object], algorithms: Sequence[str] = ASYMMETRIC
) -> tuple[VerifyKey, ...]:
    """Return the keys of a JWK Set (RFC 7517, 5) that may verify tokens.

    Shared and private keys, keys of other kinds and sizes, for encryption, or for an algorithm
    that is not in ``algorithms`` are left out.

    Args:
        algorithms: What an RSA key without ``alg`` is for is the first of its two in here.

    Raises:
        UnusableKey: It is no key set, over 64 KiB, has over 32 keys, two usable ones of one
            name, or none.
    """
    if isinstance(document, bytes):
        if len(document) > JWKS_BYTES:
            raise UnusableKey(f"the key set has more than {JWKS_BYTES} bytes")
        try:
            document = json_object(document)
        except TokenError:
            raise UnusableKey("the key set is no JSON object") from None
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise UnusableKey("the key set has no list of keys")
    if len(listed) > JWKS_KEYS:
        raise UnusableKey(f"the key set has more than {JWKS_KEYS} keys")
    keys = [key for jwk in listed if (key := _usable(jwk, algorithms)) is not None]
    names = [key.kid for key in keys if key.kid is not None]
    if len(set(names)) < len(names):
        raise UnusableKey("two keys of the key set have one name")
    if not keys:
        raise UnusableKey("the key set has no key that verifies tokens")
    return tuple(keys)


def _usable(jwk: object, algorithms: Sequence[str]) -> VerifyKey | None:
    if not isinstance(jwk, dict):
        return None
    told = dict(jwk)
    if "alg" not in told and told.get("kty") == "RSA":
        told["alg"] = next((one for one in algorithms if one in {"RS256", "PS256"}), None)
    try:
        key = VerifyKey.from_jwk(told)
    except UnusableKey:
        return None
    return key if key.algorithm in algorithms else None


def is_secure(url: object) -> bool:
    """Return whether a URL is one of https, or of http on this machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    )


async def discover(issuer: str, outbound: Fetches) -> dict[str, object]:
    """Return what an issuer says about itself (OpenID Connect Discovery 1.0, 4).

    Raises:
        OutboundError: It cannot be had, speaks for another issuer, or names an endpoint, or a
            place of its keys, that is not https.
    """
    host = (urlsplit(issuer).hostname or "") if is_secure(issuer) else ""
    if not host:
        raise OutboundError(Reason.SCHEME)
    told = await outbound.get_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if told.get("issuer") != issuer:
        raise OutboundError(Reason.ISSUER, host)
    places = [told.get("jwks_uri")]
    places += [value for name, value in told.items() if name.endswith("_endpoint")]
    if not all(is_secure(place) for place in places):
        raise OutboundError(Reason.ENDPOINT, host)
    return told


class JwksSource:
    """The keys of one issuer: kept for ten minutes, and an hour more while the source is down.

    Args:
        url: Where the key set is, or a coroutine function that finds it out before each fetch.
        outbound: Who fetches.
        algorithms: See `keys_of`.
        clock: Seconds, monotonic.

    Raises:
        UnusableKey: The URL is not one of https (http is for loopback), or an algorithm is none
            of a key pair.
    """

    def __init__(
        self,
        url: str | Callable[[], Awaitable[str]],
        outbound: Fetches,
        *,
        algorithms: Sequence[str] = ASYMMETRIC,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(url, str) and not is_secure(url):
            raise UnusableKey("keys are fetched over https\n  fix: jwks_url='https://...'")
        for algorithm in algorithms:
            if algorithm not in ASYMMETRIC:
                raise UnusableKey(
                    f"algorithm {algorithm!r} cannot be used with published keys; there are: "
                    f"{', '.join(ASYMMETRIC)}"
                )
        self._url = url
        self._outbound = outbound
        self._algorithms = tuple(algorithms)
        self._kept = Kept(self._fetched, clock=clock)

    @classmethod
    def discovered(
        cls,
        issuer: str,
        outbound: Fetches,
        *,
        algorithms: Sequence[str] = ASYMMETRIC,
        clock: Callable[[], float] = time.monotonic,
    ) -> "JwksSource":
        """Return the source that the issuer's metadata names, asked anew before each fetch.

        Raises:
            UnusableKey: As the class says; the issuer counts like the URL.
        """
        if not is_secure(issuer):
            raise UnusableKey(
                f"the issuer {issuer!r} is no https URL, so its keys cannot be discovered\n"
                "  fix: JWTAuthBackend(..., jwks_url='https://...'), or algorithms=['HS256'] "
                "where a secret is shared with it"
            )

        async def locate() -> str:
            return str((await discover(issuer, outbound))["jwks_uri"])

        return cls(locate, outbound, algorithms=algorithms, clock=clock)

    async def keys(self) -> tuple[VerifyKey, ...]:
        """Return the keys; the same object as long as nothing was fetched.

        Raises:
            Unavailable: There are none yet, or only too old ones, and the source is down.
        """
        return await self._kept.get()

    async def renewed(self) -> tuple[VerifyKey, ...]:
        """Return the keys after another fetch, of which there is one in 30 s for everybody.

        Raises:
            Unavailable: The source is down.
        """
        return await self._kept.again()

    async def _fetched(self) -> tuple[VerifyKey, ...]:
        url = self._url if isinstance(self._url, str) else await self._url()
        document = await self._outbound.get_json(url, max_bytes=JWKS_BYTES)
        try:
            return keys_of(document, self._algorithms)
        except UnusableKey as refusal:
            raise OutboundError(Reason.KEYS, urlsplit(url).hostname or "") from refusal


class JwksVerifier:
    """Verifies tokens of an issuer by the keys it publishes; `JwtVerifier`, awaited."""

    __slots__ = ("_clock", "_keys", "_max_bytes", "_profile", "_source", "_verifier")

    def __init__(
        self,
        source: JwksSource,
        profile: Profile,
        *,
        max_bytes: int = TOKEN_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the profile, which has to name an issuer.

        Raises:
            UnusableKey: It does not, so that a token meant for anybody would be believed.
        """
        if not profile.strict:
            raise UnusableKey(
                "published keys sign tokens for many applications\n"
                "  fix: give the issuer and the audience"
            )
        self._source = source
        self._profile = profile
        self._max_bytes = max_bytes
        self._clock = clock
        self._keys: tuple[VerifyKey, ...] = ()
        self._verifier: JwtVerifier | None = None

    async def verify(self, token: str) -> dict[str, object]:
        """Return the claims of a token; a key it names and nobody knows is looked for once.

        Raises:
            TokenError: The token is not one to believe.
            Unavailable: Nobody can say, because the source of the keys is down.
        """
        try:
            return self._over(await self._source.keys()).verify(token)
        except UnknownKey:
            return self._over(await self._source.renewed()).verify(token)

    def _over(self, keys: tuple[VerifyKey, ...]) -> JwtVerifier:
        if self._verifier is None or keys is not self._keys:
            self._verifier = JwtVerifier(
                keys, self._profile, max_bytes=self._max_bytes, clock=self._clock
            )
            self._keys = keys
        return self._verifier

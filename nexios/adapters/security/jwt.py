"""JSON web tokens: the verifier built once at start, and the issuer."""

import json
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from nexios.adapters.security.algorithms import (
    ASYMMETRIC,
    KID_CHARACTERS,
    Prepared,
    TokenKey,
    UnusableKey,
)
from nexios.adapters.security.claims import decoded, json_object
from nexios.adapters.security.profile import PLAIN, Profile
from nexios.application.tokens import TokenError

TOKEN_BYTES: Final = 8 * 2**10
_HEADER_MEMBERS: Final = 16
_KNOWN_CHARACTERS: Final = 512
_SEGMENTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)")
# Keys, or how to read the token, handed over by whoever wrote it: never obeyed.
_REFUSED_HEADERS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "zip", "b64"})


# 10 us less a token: all tokens of one key begin alike (benchmarks/auth.py).
@lru_cache(maxsize=256)
def _header(segment: str) -> Mapping[str, object]:
    return MappingProxyType(json_object(decoded(segment)))


class UnknownKey(TokenError):
    """The token names a key of a pair that is not among ours; it may have been made since."""


class JwtVerifier:
    """Checks tokens against keys fixed at start; a call does no I/O and keeps nothing."""

    __slots__ = ("_clock", "_keys", "_max_bytes", "_names", "_profile")

    def __init__(
        self,
        keys: Sequence[TokenKey],
        profile: Profile = PLAIN,
        *,
        max_bytes: int = TOKEN_BYTES,
        refuse_short: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Check the keys; ``refuse_short`` refuses those it would warn about.

        Raises:
            UnusableKey: A key is empty, public or short, two have one name, or none verifies.
        """
        table: dict[tuple[str, str | None], list[Prepared]] = {}
        names: set[str] = set()
        for key in keys:
            if key.kid is not None and key.kid in names:
                raise UnusableKey(f"two keys are named {key.kid!r}")
            if key.kid is not None:
                names.add(key.kid)
            prepared = key.verifying(refuse_short=refuse_short)
            if prepared is not None:
                table.setdefault((key.algorithm, key.kid), []).append(prepared)
        if not table:
            raise UnusableKey("a verifier needs at least one key that verifies")
        self._keys: Mapping[tuple[str, str | None], tuple[Prepared, ...]] = {
            name: tuple(place) for name, place in table.items()
        }
        self._names = frozenset(names)
        self._profile = profile
        self._max_bytes = max_bytes
        self._clock = clock

    def verify(self, token: str) -> dict[str, object]:
        """Return the claims of a token that is signed, not ended, and meant for us.

        Raises:
            TokenExpired: Nothing else is wrong with it.
            TokenError: Anything else. Why is not told.
        """
        header, payload = self._opened(token)
        claims = json_object(payload)
        self._profile.check_kind(header)
        self._profile.check(claims, self._clock())
        return claims

    def payload(self, token: str) -> bytes:
        """Return the bytes that were signed, whatever they claim; raises as `verify` does."""
        return self._opened(token)[1]

    def _opened(self, token: str) -> tuple[Mapping[str, object], bytes]:
        if len(token) > self._max_bytes:
            raise TokenError
        segments = _SEGMENTS.fullmatch(token)
        if segments is None:
            raise TokenError
        head, body, mark = segments.groups()
        header = _header(head) if len(head) <= _KNOWN_CHARACTERS else json_object(decoded(head))
        signed, signature = token[: segments.end(2)].encode("ascii"), decoded(mark)
        for key in self._candidates(header):
            if key.verify(signed, signature):
                return header, decoded(body)
        raise TokenError

    def _candidates(self, header: Mapping[str, object]) -> tuple[Prepared, ...]:
        """Return the keys that may have signed the token, each with its own algorithm."""
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or not _REFUSED_HEADERS.isdisjoint(header):
            raise TokenError
        if len(header) > _HEADER_MEMBERS:
            raise TokenError
        if "kid" not in header:
            found = self._keys.get((algorithm, None)) or self._only(algorithm)
        elif isinstance(kid, str) and len(kid) <= KID_CHARACTERS:
            found = self._keys.get((algorithm, kid), ())
            if kid not in self._names and algorithm in ASYMMETRIC:
                raise UnknownKey
        else:
            raise TokenError
        if not found:
            raise TokenError
        return found

    def _only(self, algorithm: str) -> tuple[Prepared, ...]:
        usable = [keys for (name, _), keys in self._keys.items() if name == algorithm]
        return usable[0] if len(usable) == 1 else ()


class JwtCodec:
    """The `TokenCodec` of one application: makes tokens and checks its own."""

    __slots__ = ("_clock", "_key", "_lifetime_s", "_profile", "_signing", "_verifier")

    def __init__(
        self,
        keys: Sequence[TokenKey],
        profile: Profile = PLAIN,
        *,
        lifetime_s: float = 600.0,
        refuse_short: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Sign with the first key that can, verify with all; refuses as `JwtVerifier` does.

        Raises:
            UnusableKey: A key is refused, or none can sign.
        """
        self._verifier = JwtVerifier(keys, profile, refuse_short=refuse_short, clock=clock)
        able = [(key, signing) for key in keys if (signing := key.signing()) is not None]
        if not able:
            raise UnusableKey(
                "none of the keys signs\n  fix: give an active SigningKey, or only verify: "
                "JwtVerifier(keys, profile)"
            )
        self._key, self._signing = able[0]
        self._profile = profile
        self._lifetime_s = lifetime_s
        self._clock = clock

    def issue(
        self,
        subject: str,
        *,
        audience: str | None = None,
        lifetime_s: float | None = None,
        scopes: Sequence[str] = (),
        claims: Mapping[str, object] | None = None,
    ) -> str:
        """Return a token about ``subject``; see `TokenCodec.issue`."""
        now = self._clock()
        ends = now + (self._lifetime_s if lifetime_s is None else lifetime_s)
        told: dict[str, object] = {
            **(claims or {}),
            "sub": subject,
            # As exact as the clock: what is revoked is what was issued before a moment.
            "iat": int(now * 1e6) / 1e6,
            "exp": int(ends),
            "jti": secrets.token_urlsafe(16),
        }
        audience = audience or self._profile.audience
        if audience is not None:
            told["aud"] = audience
        if self._profile.issuer is not None:
            told["iss"] = self._profile.issuer
        if scopes:
            told["scope"] = " ".join(scopes)
        return _encoded(told, self._key, self._signing, self._profile.typ)

    def verify(self, token: str) -> dict[str, object]:
        """Return the claims of a token; see `TokenCodec.verify`."""
        return self._verifier.verify(token)


def encode(claims: Mapping[str, object], key: TokenKey, *, kind: str = "JWT") -> str:
    """Sign claims as they are; whoever calls sees to it that there is an ``exp``.

    Raises:
        ValueError: The key cannot sign (`UnusableKey`), or a claim is not JSON.
    """
    signing = key.signing()
    if signing is None:
        raise UnusableKey(f"{key!r} does not sign")
    return _encoded(claims, key, signing, kind)


def _encoded(claims: Mapping[str, object], key: TokenKey, signing: Prepared, kind: str) -> str:
    header: dict[str, object] = {"alg": key.algorithm, "typ": kind}
    if key.kid is not None:
        header["kid"] = key.kid
    try:
        parts = [
            json.dumps(part, separators=(",", ":"), allow_nan=False).encode()
            for part in (header, claims)
        ]
    except TypeError as error:
        raise ValueError(f"a claim cannot be written as JSON: {error}") from None
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mark = urlsafe_b64encode(signing.sign(signed)).rstrip(b"=")
    return b".".join((signed, mark)).decode("ascii")

"""JSON web tokens: the verifier built once at start, and the issuer."""

import json
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nexios.adapters.security.algorithms import HmacKey, UnusableKey, algorithm_of, checked
from nexios.adapters.security.claims import decoded, json_object
from nexios.adapters.security.profile import PLAIN, Profile
from nexios.application.tokens import TokenError

TOKEN_BYTES: Final = 8 * 2**10
_HEADER_MEMBERS: Final = 16
_KID_CHARACTERS: Final = 255
_SEGMENTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)")
# Keys, or how to read the token, handed over by whoever wrote it: never obeyed.
_REFUSED_HEADERS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "zip", "b64"})


class JwtVerifier:
    """Checks tokens against keys fixed at start; a call does no I/O and keeps nothing."""

    __slots__ = ("_clock", "_keys", "_max_bytes", "_profile")

    def __init__(
        self,
        keys: Sequence[HmacKey],
        profile: Profile = PLAIN,
        *,
        max_bytes: int = TOKEN_BYTES,
        refuse_short: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Check the keys; ``refuse_short`` refuses those it would warn about.

        Raises:
            UnusableKey: A key is empty, public, short, or there are two of one name.
        """
        table: dict[tuple[str, str | None], list[bytes]] = {}
        for key in keys:
            place = table.setdefault((key.algorithm, key.kid), [])
            if place and key.kid is not None:
                raise UnusableKey(f"two keys are named {key.kid!r}")
            place.append(checked(key, refuse_short=refuse_short))
        if not table:
            raise UnusableKey("a verifier needs at least one key")
        self._keys: Mapping[tuple[str, str | None], tuple[bytes, ...]] = {
            name: tuple(place) for name, place in table.items()
        }
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

    def _opened(self, token: str) -> tuple[dict[str, object], bytes]:
        if len(token) > self._max_bytes:
            raise TokenError
        segments = _SEGMENTS.fullmatch(token)
        if segments is None:
            raise TokenError
        head, body, mark = (decoded(segment) for segment in segments.groups())
        header = json_object(head)
        algorithm, keys = self._candidates(header)
        signed = token.rpartition(".")[0].encode("ascii")
        verify = algorithm_of(algorithm).verify
        if not any(verify(signed, key, mark) for key in keys):
            raise TokenError
        return header, body

    def _candidates(self, header: Mapping[str, object]) -> tuple[str, tuple[bytes, ...]]:
        """Return the algorithm of the token and the keys that may have signed it."""
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or not _REFUSED_HEADERS.isdisjoint(header):
            raise TokenError
        if len(header) > _HEADER_MEMBERS:
            raise TokenError
        if "kid" not in header:
            found = self._keys.get((algorithm, None)) or self._only(algorithm)
        elif isinstance(kid, str) and len(kid) <= _KID_CHARACTERS:
            found = self._keys.get((algorithm, kid), ())
        else:
            raise TokenError
        if not found:
            raise TokenError
        return algorithm, found

    def _only(self, algorithm: str) -> tuple[bytes, ...]:
        usable = [keys for (name, _), keys in self._keys.items() if name == algorithm]
        return usable[0] if len(usable) == 1 else ()


class JwtCodec:
    """The `TokenCodec` of one application: makes tokens and checks its own."""

    __slots__ = ("_clock", "_key", "_lifetime_s", "_profile", "_verifier")

    def __init__(
        self,
        keys: Sequence[HmacKey],
        profile: Profile = PLAIN,
        *,
        lifetime_s: float = 600.0,
        refuse_short: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Sign with the first key, verify with all; refuses keys as `JwtVerifier` does."""
        self._verifier = JwtVerifier(keys, profile, refuse_short=refuse_short, clock=clock)
        self._key = keys[0]
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
        now = int(self._clock())
        ends = now + (self._lifetime_s if lifetime_s is None else lifetime_s)
        told: dict[str, object] = {
            **(claims or {}),
            "sub": subject,
            "iat": now,
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
        return encode(told, self._key, kind="at+jwt" if self._profile.strict else "JWT")

    def verify(self, token: str) -> dict[str, object]:
        """Return the claims of a token; see `TokenCodec.verify`."""
        return self._verifier.verify(token)


def encode(claims: Mapping[str, object], key: HmacKey, *, kind: str = "JWT") -> str:
    """Sign claims as they are; whoever calls sees to it that there is an ``exp``.

    Raises:
        ValueError: The key cannot sign (`UnusableKey`), or a claim is not JSON.
    """
    header: dict[str, object] = {"alg": key.algorithm, "typ": kind}
    if key.kid is not None:
        header["kid"] = key.kid
    prepared = checked(key, refuse_short=False)
    try:
        parts = [
            json.dumps(part, separators=(",", ":"), allow_nan=False).encode()
            for part in (header, claims)
        ]
    except TypeError as error:
        raise ValueError(f"a claim cannot be written as JSON: {error}") from None
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mark = algorithm_of(key.algorithm).sign(signed, prepared)
    return b".".join((signed, urlsafe_b64encode(mark).rstrip(b"="))).decode("ascii")

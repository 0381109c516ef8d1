"""JSON web tokens: the verifier built once at start, and the issuer. PyJWT's only door."""

import binascii
import json
import re
import secrets
import time
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NoReturn, Protocol

from nexios.application.keyring import Secret
from nexios.application.tokens import TokenError, TokenExpired

HMAC_BYTES: Final[Mapping[str, int]] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The algorithms there are, with the bytes a key of theirs should have (RFC 7518, 3.2)."""

TOKEN_BYTES: Final = 8 * 2**10
_HEADER_MEMBERS: Final = 16
_KID_CHARACTERS: Final = 255
_SUBJECT_CHARACTERS: Final = 255
_MAX_AGE_S: Final = 24 * 3600
_STRICT_LEEWAY_S: Final = 30.0
_LAST_SECOND: Final = 253_402_300_799  # the end of the year 9999
_SEGMENTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)")
# Keys, or how to read the token, handed over by whoever wrote it: never obeyed.
_REFUSED_HEADERS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "zip", "b64"})
_STRICT_CLAIMS: Final = ("exp", "iat", "iss", "aud", "sub")


class UnusableKey(ValueError):
    """A key, or what it is to be used for, was refused when the verifier was built."""


class WeakKeyWarning(UserWarning):
    """A key is shorter than what its algorithm promises."""


class _Algorithm(Protocol):
    def prepare_key(self, key: bytes) -> bytes: ...
    def sign(self, msg: bytes, key: bytes) -> bytes: ...
    def verify(self, msg: bytes, key: bytes, sig: bytes) -> bool: ...


@lru_cache(maxsize=8)
def _algorithm(name: str) -> _Algorithm:
    """Return PyJWT's implementation of one algorithm of ours."""
    if name not in HMAC_BYTES:
        known = ", ".join(HMAC_BYTES)
        raise UnusableKey(f"algorithm {name!r} cannot be used; there are: {known}")
    from jwt.algorithms import HMACAlgorithm

    return HMACAlgorithm(getattr(HMACAlgorithm, name.replace("HS", "SHA")))


@dataclass(frozen=True, slots=True, repr=False)
class HmacKey:
    """A shared key for one algorithm. Its bytes are never shown.

    Tokens call it by ``kid``; a nameless key is for tokens that name none.
    """

    material: bytes
    algorithm: str = "HS256"
    kid: str | None = None

    def __repr__(self) -> str:
        return f"HmacKey({self.algorithm}, kid={self.kid!r})"


def hmac_keys(
    material: Sequence[str | bytes | Secret], algorithms: Sequence[str]
) -> tuple[HmacKey, ...]:
    """Return a nameless key for each secret and algorithm."""
    return tuple(
        HmacKey(_bytes_of(one), algorithm) for one in material for algorithm in algorithms
    )


def _bytes_of(material: str | bytes | Secret) -> bytes:
    if isinstance(material, Secret):
        material = material.reveal()
    return material.encode() if isinstance(material, str) else material


@dataclass(frozen=True, slots=True)
class Profile:
    """What a token must claim, beyond a good signature and an end.

    Strict as soon as there is an issuer and an audience: then `exp iat iss aud sub` must be
    there, ``typ`` is ``at+jwt`` (RFC 9068), and no token is older than a day. Otherwise plain:
    an ``aud`` is refused, since nobody said whose it should be.
    """

    issuer: str | None = None
    audience: str | None = None
    leeway_s: float = 0.0

    def __post_init__(self) -> None:
        if (self.issuer is None) != (self.audience is None):
            raise UnusableKey(
                "issuer and audience belong together: a token of an issuer is refused unless it "
                "is meant for this application; fix: give both, or none"
            )

    @property
    def strict(self) -> bool:
        """True when issuer and audience are compared."""
        return self.issuer is not None

    @property
    def tolerance_s(self) -> float:
        """By how many seconds the clocks of issuer and verifier may differ."""
        return max(self.leeway_s, _STRICT_LEEWAY_S) if self.strict else self.leeway_s


_PLAIN: Final = Profile()


class JwtVerifier:
    """Checks tokens against keys fixed at start; a call does no I/O and keeps nothing."""

    __slots__ = ("_clock", "_keys", "_max_bytes", "_profile")

    def __init__(
        self,
        keys: Sequence[HmacKey],
        profile: Profile = _PLAIN,
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
            place.append(_checked(key, refuse_short=refuse_short))
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
        claims = _json_object(payload)
        self._check_kind(header)
        self._check_claims(claims)
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
        head, body, mark = (_decoded(segment) for segment in segments.groups())
        header = _json_object(head)
        algorithm, keys = self._candidates(header)
        signed = token.rpartition(".")[0].encode("ascii")
        verify = _algorithm(algorithm).verify
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

    def _check_kind(self, header: Mapping[str, object]) -> None:
        kind = header.get("typ")
        if kind is None and "typ" not in header and not self._profile.strict:
            return
        if not isinstance(kind, str):
            raise TokenError
        # Media types know no case and may drop "application/" (RFC 7515, 4.1.9).
        name = kind.lower().removeprefix("application/")
        if name != ("at+jwt" if self._profile.strict else "jwt"):
            raise TokenError

    def _check_claims(self, claims: Mapping[str, object]) -> None:
        profile, now = self._profile, self._clock()
        leeway = profile.tolerance_s
        ends, begins, made = (_date(claims, name) for name in ("exp", "nbf", "iat"))
        if ends is None or (begins is not None and begins > now + leeway):
            raise TokenError
        _check_subject(claims)
        if profile.strict:
            if any(name not in claims for name in _STRICT_CLAIMS) or made is None:
                raise TokenError
            if made > now + leeway or made < now - _MAX_AGE_S - leeway:
                raise TokenError
            if not isinstance(claims["sub"], str) or claims["iss"] != profile.issuer:
                raise TokenError
        if "aud" in claims and profile.audience not in _audiences(claims["aud"]):
            raise TokenError
        if ends <= now - leeway:
            raise TokenExpired


class JwtCodec:
    """The `TokenCodec` of one application: makes tokens and checks its own."""

    __slots__ = ("_clock", "_key", "_lifetime_s", "_profile", "_verifier")

    def __init__(
        self,
        keys: Sequence[HmacKey],
        profile: Profile = _PLAIN,
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
    prepared = _checked(key, refuse_short=False)
    try:
        parts = [
            json.dumps(part, separators=(",", ":"), allow_nan=False).encode()
            for part in (header, claims)
        ]
    except TypeError as error:
        raise ValueError(f"a claim cannot be written as JSON: {error}") from None
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mark = _algorithm(key.algorithm).sign(signed, prepared)
    return b".".join((signed, urlsafe_b64encode(mark).rstrip(b"="))).decode("ascii")


def _checked(key: HmacKey, *, refuse_short: bool) -> bytes:
    algorithm = _algorithm(key.algorithm)
    from jwt.exceptions import InvalidKeyError

    try:
        material = algorithm.prepare_key(key.material)
    except InvalidKeyError as error:
        raise UnusableKey(f"the key for {key.algorithm} was refused: {error}") from None
    wanted = HMAC_BYTES[key.algorithm]
    if len(material) < wanted:
        says = (
            f"the key for {key.algorithm} has {len(material)} bytes and should have {wanted}; "
            "fix: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
        if refuse_short:
            raise UnusableKey(says)
        warnings.warn(says, WeakKeyWarning, stacklevel=4)
    return material


def _decoded(segment: str) -> bytes:
    """Decode base64url without padding, in its one canonical spelling (RFC 7515, appendix C)."""
    try:
        data = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise TokenError from None
    if urlsafe_b64encode(data).rstrip(b"=") != segment.encode("ascii"):
        raise TokenError
    return data


def _json_object(data: bytes) -> dict[str, object]:
    """Read one JSON object: UTF-8, no double names, no NaN, no text a store would choke on."""
    try:
        found = json.loads(
            data.decode("utf-8"), parse_constant=_refused, object_pairs_hook=_single_names
        )
        told = json.dumps(found, ensure_ascii=False, allow_nan=False)
        told.encode("utf-8")  # a lone surrogate fails here
    except (ValueError, RecursionError):
        raise TokenError from None
    if not isinstance(found, dict) or "\\u0000" in told:
        raise TokenError
    return found


def _refused(text: str) -> NoReturn:
    raise ValueError(text)


def _single_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _date(claims: Mapping[str, object], name: str) -> float | None:
    """Return a date as seconds, None when absent; what is no date of the calendar is refused."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TokenError
    if not 0 <= value <= _LAST_SECOND:
        raise TokenError
    return float(value)


def _check_subject(claims: Mapping[str, object]) -> None:
    """Accept a text or, as 2.11's users mint them, an integer; absent in the plain profile."""
    subject = claims.get("sub", 0)
    if isinstance(subject, str) and 0 < len(subject) <= _SUBJECT_CHARACTERS:
        return
    if not isinstance(subject, int) or isinstance(subject, bool):
        raise TokenError


def _audiences(value: object) -> list[str]:
    told: list[object] = value if isinstance(value, list) else [value]
    audiences = [one for one in told if isinstance(one, str)]
    if len(audiences) < len(told):
        raise TokenError
    return audiences

"""The algorithms of tokens, what a key owes them, and shared keys. PyJWT's only door."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol, Self

from nexios.adapters.security.claims import decoded
from nexios.application.keyring import Secret
from nexios.application.tokens import TokenError

HMAC_BYTES: Final[Mapping[str, int]] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The algorithms of shared keys, with the bytes a key of theirs should have (RFC 7518, 3.2)."""

ASYMMETRIC: Final = ("EdDSA", "ES256", "RS256", "PS256")
"""The algorithms of key pairs, preferred ones first."""

KID_CHARACTERS: Final = 255


class UnusableKey(ValueError):
    """A key, or what it is to be used for, was refused when the verifier was built."""


class WeakKeyWarning(UserWarning):
    """A key is shorter than what its algorithm promises."""


class _Algorithm(Protocol):
    def prepare_key(self, key: Any) -> Any: ...
    def sign(self, msg: bytes, key: Any) -> bytes: ...
    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool: ...


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """A key with its one algorithm, ready to be used. ``key`` is whatever the library takes."""

    algorithm: _Algorithm
    key: Any

    def sign(self, message: bytes) -> bytes:
        """Return the signature."""
        return self.algorithm.sign(message, self.key)

    def verify(self, message: bytes, mark: bytes) -> bool:
        """Return whether ``mark`` is the signature of ``message``."""
        return self.algorithm.verify(message, self.key, mark)


class TokenKey(Protocol):
    """A key for one algorithm; tokens call it by ``kid``, or not at all."""

    @property
    def algorithm(self) -> str:
        """The ``alg`` of every token of this key."""
        ...

    @property
    def kid(self) -> str | None:
        """Its name, unique among the keys of a verifier."""
        ...

    def verifying(self, *, refuse_short: bool) -> Prepared | None:
        """Return what checks signatures; None when the key must not be believed any more.

        Raises:
            UnusableKey: It is none, or short and ``refuse_short``.
        """
        ...

    def signing(self) -> Prepared | None:
        """Return what signs, None when this key does not.

        Raises:
            UnusableKey: It is none.
        """
        ...


@lru_cache(maxsize=8)
def algorithm_of(name: str) -> _Algorithm:
    """Return PyJWT's implementation of one algorithm of ours; key pairs need cryptography."""
    import jwt.algorithms as library

    if name == "EdDSA":
        return library.OKPAlgorithm()
    if name == "ES256":
        return library.ECAlgorithm(library.ECAlgorithm.SHA256)
    if name == "RS256":
        return library.RSAAlgorithm(library.RSAAlgorithm.SHA256)
    if name == "PS256":
        return library.RSAPSSAlgorithm(library.RSAPSSAlgorithm.SHA256)
    if name not in HMAC_BYTES:
        known = ", ".join((*HMAC_BYTES, *ASYMMETRIC))
        raise UnusableKey(f"algorithm {name!r} cannot be used; there are: {known}")
    return library.HMACAlgorithm(getattr(library.HMACAlgorithm, name.replace("HS", "SHA")))


@dataclass(frozen=True, slots=True, repr=False)
class HmacKey:
    """A shared key for one algorithm. Its bytes are never shown.

    Tokens call it by ``kid``; a nameless key is for tokens that name none.
    """

    material: bytes
    algorithm: str = "HS256"
    kid: str | None = None

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object]) -> Self:
        """Read a symmetric JWK (RFC 7518, 6.4), which has to name its algorithm.

        Raises:
            UnusableKey: It is none, or is not for signing.
        """
        kid = named(jwk)
        return cls(member(jwk, "k"), str(jwk.get("alg")), kid)

    def verifying(self, *, refuse_short: bool) -> Prepared:
        """Return what checks signatures; warns about a short key, or refuses it."""
        return _prepared(self, refuse_short=refuse_short)

    def signing(self) -> Prepared:
        """Return what signs; warns about a short key."""
        return _prepared(self, refuse_short=False)

    def __repr__(self) -> str:
        return f"HmacKey({self.algorithm}, kid={self.kid!r})"


def hmac_keys(
    material: Sequence[str | bytes | Secret], algorithms: Sequence[str]
) -> tuple[HmacKey, ...]:
    """Return a nameless key for each secret and algorithm."""
    return tuple(HmacKey(bytes_of(one), algorithm) for one in material for algorithm in algorithms)


def bytes_of(material: str | bytes | Secret) -> bytes:
    """Return the bytes of a secret, however it was handed over."""
    if isinstance(material, Secret):
        material = material.reveal()
    return material.encode() if isinstance(material, str) else material


def _prepared(key: HmacKey, *, refuse_short: bool) -> Prepared:
    if key.algorithm not in HMAC_BYTES:
        known = ", ".join(HMAC_BYTES)
        raise UnusableKey(
            f"algorithm {key.algorithm!r} cannot be used with a shared key; there are: {known}"
        )
    algorithm = algorithm_of(key.algorithm)
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
    return Prepared(algorithm, material)


def named(jwk: Mapping[str, object]) -> str | None:
    """Return the ``kid`` of a JWK that is meant to verify signatures (RFC 7517, 4).

    Raises:
        UnusableKey: It is meant for something else, or its name is none.
    """
    if jwk.get("use", "sig") != "sig":
        raise UnusableKey("the JWK is not meant for signatures")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise UnusableKey("the JWK is not meant to verify")
    return checked_kid(jwk["kid"]) if "kid" in jwk else None


def checked_kid(kid: object) -> str:
    """Return the name of a key, 1 to 255 characters; raises `UnusableKey` for any other."""
    if not isinstance(kid, str) or not 0 < len(kid) <= KID_CHARACTERS:
        raise UnusableKey(f"the name of a key is a text of 1 to {KID_CHARACTERS} characters")
    return kid


def member(jwk: Mapping[str, object], name: str) -> bytes:
    """Return the bytes of a member of a JWK; raises `UnusableKey` for what is no base64url."""
    value = jwk.get(name)
    try:
        if not isinstance(value, str) or not value or not value.isascii():
            raise TokenError
        return decoded(value)
    except TokenError:
        raise UnusableKey(f"the JWK has no {name!r}, or it is no base64url") from None


def public_of(kind: str, numbers: Mapping[str, str]) -> Any:
    """Return the public key that the members of a JWK make, as cryptography knows it.

    Args:
        kind: ``RSA``, ``EC`` or ``OKP``.
        numbers: Its public members, each checked to be base64url.

    Raises:
        UnusableKey: They make none.
    """
    from jwt.exceptions import InvalidKeyError

    try:
        return _family(kind).from_jwk({"kty": kind, **numbers})
    except (InvalidKeyError, ValueError):
        raise UnusableKey(f"the members of the JWK make no {kind} key") from None


def members_of(kind: str, public: Any) -> dict[str, object]:
    """Return the public members of a JWK; the way back of `public_of`."""
    return dict(_family(kind).to_jwk(public, as_dict=True))


def _family(kind: str) -> Any:
    import jwt.algorithms as library

    return {
        "RSA": library.RSAAlgorithm,
        "EC": library.ECAlgorithm,
        "OKP": library.OKPAlgorithm,
    }[kind]

"""The algorithms of tokens and the shared keys they take. PyJWT's only door."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from nexios.application.keyring import Secret

HMAC_BYTES: Final[Mapping[str, int]] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The algorithms there are, with the bytes a key of theirs should have (RFC 7518, 3.2)."""


class UnusableKey(ValueError):
    """A key, or what it is to be used for, was refused when the verifier was built."""


class WeakKeyWarning(UserWarning):
    """A key is shorter than what its algorithm promises."""


class _Algorithm(Protocol):
    def prepare_key(self, key: bytes) -> bytes: ...
    def sign(self, msg: bytes, key: bytes) -> bytes: ...
    def verify(self, msg: bytes, key: bytes, sig: bytes) -> bool: ...


@lru_cache(maxsize=8)
def algorithm_of(name: str) -> _Algorithm:
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


def checked(key: HmacKey, *, refuse_short: bool) -> bytes:
    """Return the bytes of a key that may be used; warns about a short one, or refuses it."""
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
    return material

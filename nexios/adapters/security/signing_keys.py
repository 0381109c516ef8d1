"""Key pairs that sign and verify tokens. The only door of cryptography."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NoReturn, Self, final

from nexios.adapters.security.algorithms import (
    ASYMMETRIC,
    Prepared,
    UnusableKey,
    algorithm_of,
    bytes_of,
    checked_kid,
    member,
    members_of,
    named,
    public_of,
)
from nexios.application.keyring import Secret

State = Literal["active", "retiring", "retired"]

_RSA_BITS: Final = range(2048, 8192 + 1)
# Beyond it OpenSSL refuses long moduli, and a verification takes ever longer.
_RSA_EXPONENT: Final = 2**32
_PUBLIC_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@final
class VerifyKey:
    """The public half of a key pair, for one algorithm; made by `from_pem` or `from_jwk`."""

    __slots__ = ("_kind", "_public", "algorithm", "kid")

    def __init__(self, public: Any, *, kid: str | None = None, algorithm: str | None = None):
        """Take a public key of cryptography's.

        Raises:
            UnusableKey: It is of another kind, too small, on another curve, or ``algorithm`` is
                none of its own. Without one RSA keys are for RS256.
        """
        self._kind, self.algorithm = _fitting(public, algorithm)
        self._public = public
        self.kid = None if kid is None else checked_kid(kid)

    @classmethod
    def from_pem(
        cls, pem: str | bytes, *, kid: str | None = None, algorithm: str | None = None
    ) -> Self:
        """Read ``-----BEGIN PUBLIC KEY-----``; refuses as the class does.

        Raises:
            UnusableKey: It is no public key, or none to use.
        """
        _library()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        material = bytes_of(pem)
        if b"PRIVATE KEY-----" in material:
            raise UnusableKey("a VerifyKey is made from the public key; this is the private one")
        try:
            public = load_pem_public_key(material)
        except (ValueError, UnsupportedAlgorithm):
            raise UnusableKey(
                "the text is no public key in PEM\n  fix: openssl pkey -in private.pem -pubout"
            ) from None
        return cls(public, kid=kid, algorithm=algorithm)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object]) -> Self:
        """Read a public JWK (RFC 7517; 7518, 6; 8037, 2); refuses as the class does.

        Raises:
            UnusableKey: It is no public key, none to verify with, or none to use.
        """
        _library()
        kid, kind, algorithm = named(jwk), jwk.get("kty"), jwk.get("alg")
        if not isinstance(kind, str) or kind not in _PUBLIC_MEMBERS:
            raise UnusableKey("the JWK is no public key of kty RSA, EC or OKP")
        if not _PRIVATE_MEMBERS.isdisjoint(jwk):
            raise UnusableKey("a VerifyKey is made from the public key; the JWK is a private one")
        if algorithm is not None and not isinstance(algorithm, str):
            raise UnusableKey("the alg of the JWK is no text")
        told = {name: jwk[name] for name in _PUBLIC_MEMBERS[kind] if member(jwk, name)}
        curve = {} if kind == "RSA" else {"crv": str(jwk.get("crv"))}
        public = public_of(kind, {**curve, **{name: str(value) for name, value in told.items()}})
        return cls(public, kid=kid, algorithm=algorithm)

    def to_jwk(self) -> dict[str, object]:
        """Return the public JWK, as it may stand in a key set."""
        name: dict[str, object] = {} if self.kid is None else {"kid": self.kid}
        told = members_of(self._kind, self._public)
        wanted = ("crv", *_PUBLIC_MEMBERS[self._kind])
        numbers = {member: told[member] for member in wanted if member in told}
        return {"kty": self._kind, "use": "sig", "alg": self.algorithm, **name, **numbers}

    def verifying(self, *, refuse_short: bool) -> Prepared:  # noqa: ARG002  # never short
        """Return what checks signatures."""
        algorithm = algorithm_of(self.algorithm)
        return Prepared(algorithm, algorithm.prepare_key(self._public))

    def signing(self) -> None:
        """Return None: who has only the public half cannot sign."""

    def __repr__(self) -> str:
        return f"VerifyKey({self.algorithm}, kid={self.kid!r})"


@final
class SigningKey:
    """A private key of one application, and where it stands in its life.

    ``active`` signs and verifies; ``retiring`` verifies until the last token it signed has
    ended; ``retired`` does neither, and keeps its name from being given again. The key is never
    shown, and not pickled.

    Args:
        kid: Its name in tokens and key sets.
        pem: ``-----BEGIN PRIVATE KEY-----``, not encrypted.
        algorithm: Of an RSA key ``RS256``, the default, or ``PS256``; others have but one.

    Raises:
        UnusableKey: It is no private key, or of a kind, size or curve that is not used.
        ImportError: The extra ``crypto`` is not installed.
    """

    __slots__ = ("_private", "public", "state")

    def __init__(
        self,
        kid: str,
        pem: str | bytes | Secret,
        state: State = "active",
        algorithm: str | None = None,
    ) -> None:
        _library()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if state not in {"active", "retiring", "retired"}:
            raise UnusableKey(f"key {kid!r} is active, retiring or retired, not {state!r}")
        try:
            private: Any = load_pem_private_key(bytes_of(pem), password=None)
        except TypeError:
            raise UnusableKey(
                f"key {kid!r} is encrypted\n  fix: openssl pkey -in encrypted.pem -out key.pem"
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            raise UnusableKey(
                f"key {kid!r} is no private key in PEM\n  fix: openssl genpkey -algorithm ed25519"
            ) from None
        self.state: State = state
        self.public = VerifyKey(private.public_key(), kid=checked_kid(kid), algorithm=algorithm)
        self._private = private

    @property
    def kid(self) -> str:
        """Its name."""
        return str(self.public.kid)

    @property
    def algorithm(self) -> str:
        """The one it signs with."""
        return self.public.algorithm

    def verifying(self, *, refuse_short: bool) -> Prepared | None:
        """Return what checks signatures, None when the key is retired."""
        return (
            None if self.state == "retired" else self.public.verifying(refuse_short=refuse_short)
        )

    def signing(self) -> Prepared | None:
        """Return what signs, None unless the key is active."""
        if self.state != "active":
            return None
        algorithm = algorithm_of(self.algorithm)
        return Prepared(algorithm, algorithm.prepare_key(self._private))

    def __repr__(self) -> str:
        return f"SigningKey({self.kid!r}, {self.algorithm}, {self.state})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SigningKey is not pickled: hand over the setting it was read from")


def _fitting(public: Any, algorithm: str | None) -> tuple[str, str]:
    """Return the ``kty`` of a public key and its algorithm, the one asked for or the first."""
    _library()
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    possible: tuple[str, ...]
    if isinstance(public, rsa.RSAPublicKey):
        kind, possible = "RSA", ("RS256", "PS256")
        if public.key_size not in _RSA_BITS:
            raise UnusableKey(
                f"an RSA key has {_RSA_BITS[0]} to {_RSA_BITS[-1]} bits, this one "
                f"{public.key_size}\n  fix: openssl genpkey -algorithm ed25519"
            )
        numbers = public.public_numbers()
        if numbers.e > _RSA_EXPONENT:
            raise UnusableKey("the exponent of the RSA key is too big")
        if _is_guessable(numbers.n):
            raise UnusableKey(
                "the RSA key was made by a generator whose keys can be factored (CVE-2017-15361)"
            )
    elif isinstance(public, ec.EllipticCurvePublicKey):
        kind, possible = "EC", ("ES256",)
        if not isinstance(public.curve, ec.SECP256R1):
            raise UnusableKey(f"ES256 takes keys of curve P-256, not of {public.curve.name}")
    elif isinstance(public, ed25519.Ed25519PublicKey):
        kind, possible = "OKP", ("EdDSA",)
    else:
        raise UnusableKey(f"no key for any of {', '.join(ASYMMETRIC)}")
    if algorithm is not None and algorithm not in possible:
        raise UnusableKey(f"a key for {' or '.join(possible)} cannot be used with {algorithm!r}")
    return kind, algorithm or possible[0]


def _is_guessable(modulus: int) -> bool:
    """Return whether a modulus is one of ROCA's: a power of 65537 modulo every small prime.

    Nemec and others, 2017, 3.1; keys of this size use the primes up to 701, and one that is
    not of theirs passes with a probability of less than 2**-150.
    """
    return all(modulus % prime in powers for prime, powers in _powers().items())


@lru_cache(maxsize=1)
def _powers() -> dict[int, frozenset[int]]:
    odd = range(3, 702, 2)
    primes = [one for one in odd if all(one % by for by in range(3, one, 2))]
    return {
        prime: frozenset(pow(65537, exponent, prime) for exponent in range(prime))
        for prime in primes
    }


def _library() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as missing:
        raise ImportError(
            "key pairs need cryptography; fix: pip install 'nexios[crypto]'"
        ) from missing

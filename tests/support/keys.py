"""Key pairs of every kind that a token may be signed with, and of some it may not."""

import base64
import hashlib
import hmac
import json
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

GOOD = ("EdDSA", "ES256", "RS256", "PS256")


class Pair(NamedTuple):
    """One key pair: as cryptography has it, and both halves as PEM."""

    private: Any
    pem: str
    public_pem: str


@lru_cache(maxsize=32)
def pair(kind: str, number: int = 0) -> Pair:
    """Return a pair, the same for the same arguments; ``number`` tells several apart."""
    made: dict[str, Any] = {
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
        "Ed448": ed448.Ed448PrivateKey.generate,
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "PS256": lambda: rsa.generate_private_key(65537, 2048),
        "RSA-1024": lambda: rsa.generate_private_key(65537, 1024),
        "DSA": lambda: dsa.generate_private_key(2048),
    }
    private = made[kind]()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Pair(private, pem.decode(), public_bytes(private).decode())


def public_bytes(private: Any, encoding: Any = serialization.Encoding.PEM) -> bytes:
    """Return the public half as it is published, PEM or DER."""
    told: bytes = private.public_key().public_bytes(
        encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return told


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header: Any, claims: Any, mark: Any) -> str:
    """Return a token of anything at all; ``mark`` signs the message, no library is asked."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    message = f"{b64(head)}.{b64(body)}"
    return f"{message}.{b64(mark(message.encode()))}"


def signer(algorithm: str, private: Any) -> Any:
    """Return what signs a message, made from the primitives and not from the house's code."""

    def ecdsa(message: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
        size = (private.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def pss(message: bytes) -> bytes:
        salted = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        signature: bytes = private.sign(message, salted, hashes.SHA256())
        return signature

    return {
        "EdDSA": lambda message: private.sign(message),
        "ES256": ecdsa,
        "RS256": lambda message: private.sign(message, padding.PKCS1v15(), hashes.SHA256()),
        "PS256": pss,
    }[algorithm]


def hmac_by(key: bytes, digest: str = "sha256") -> Any:
    """Return what signs a message with a shared key."""
    return lambda message: hmac.new(key, message, getattr(hashlib, digest)).digest()

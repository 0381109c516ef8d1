"""Secrets that do not show themselves, and the keys made from them."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, NoReturn, Self, final

_DERIVED_BYTES: Final = 32
_SALT: Final = b"nexios/keyring/1"


@final
class Secret:
    """A text that must not be printed, logged, compared slowly or pickled.

    ``repr``, ``str`` and ``format`` give ``***``; only `reveal` hands the text out.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("a secret cannot be empty")
        self._text = text

    def reveal(self) -> str:
        """Return the text itself. Do not keep it where it may be printed."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __len__(self) -> int:
        return len(self._text.encode())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: hand over the setting it was read from")


class Keyring:
    """The secrets of one application: the first signs, every one of them verifies."""

    __slots__ = ("all",)

    def __init__(self, secrets: Sequence[str | Secret]) -> None:
        """Keep the secrets in their order.

        Raises:
            ValueError: There is none, or one is empty.
        """
        if isinstance(secrets, str):
            raise TypeError("Keyring takes a list of secrets; write Keyring([secret])")
        if not secrets:
            raise ValueError("a keyring needs at least one secret")
        self.all: tuple[Secret, ...] = tuple(
            secret if isinstance(secret, Secret) else Secret(secret) for secret in secrets
        )

    @property
    def signing(self) -> Secret:
        """The secret that signs what is made from now on."""
        return self.all[0]

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes of the signing secret that are good for one purpose only.

        Whoever learns the key of one purpose learns nothing about another's
        (HKDF-SHA256, RFC 5869).
        """
        return derive_key(self.signing, purpose)

    def derive_all(self, purpose: str) -> tuple[bytes, ...]:
        """Return the key of every secret for ``purpose``: the first signs, all verify."""
        return tuple(derive_key(secret, purpose) for secret in self.all)

    def __repr__(self) -> str:
        return f"Keyring({len(self.all)} secrets)"


def derive_key(secret: Secret, purpose: str) -> bytes:
    """Return the 32 bytes that ``secret`` gives for ``purpose`` (RFC 5869, one block)."""
    if not purpose:
        raise ValueError("a derived key needs a purpose")
    extracted = hmac.digest(_SALT, secret.reveal().encode(), hashlib.sha256)
    return hmac.digest(extracted, purpose.encode() + b"\x01", hashlib.sha256)[:_DERIVED_BYTES]

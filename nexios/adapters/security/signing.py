"""The door of itsdangerous: values that a client keeps and cannot change."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode

from nexios.application.keyring import Keyring

_MAX_CHARS: Final = 4096


class SignedValues:
    """Signs JSON values for one purpose, with HMAC-SHA256 and the time.

    A value of another purpose, or signed with no secret of the keyring, is none.
    """

    __slots__ = ("_serializer",)

    def __init__(self, keyring: Keyring, purpose: str) -> None:
        """Derive the keys: the keyring's first secret signs, each of them verifies."""
        keys = [key.hex() for key in reversed(keyring.derive_all(purpose))]
        self._serializer = URLSafeTimedSerializer(
            keys, salt=purpose, signer_kwargs={"digest_method": _sha256}
        )

    def sign(self, value: Mapping[str, Any]) -> str:
        """Return text that is safe in a cookie and in an address."""
        return str(self._serializer.dumps(value))

    def open(self, text: str, *, max_age_s: float) -> dict[str, Any] | None:
        """Return the value of a text that was signed here and is not older; else None."""
        if len(text) > _MAX_CHARS or not _is_canonical(text.rpartition(".")[2]):
            return None
        try:
            value = self._serializer.loads(text, max_age=int(max_age_s))
        except BadData:
            return None
        return value if isinstance(value, dict) else None


def _sha256(data: bytes = b"") -> Any:
    return hashlib.sha256(data)


def _is_canonical(signature: str) -> bool:
    """Return whether a text is the one way to write its bytes: base64 leaves last bits free."""
    try:
        return base64_encode(base64_decode(signature)).decode("ascii") == signature
    except BadData:
        return False

"""The port behind which access tokens are made and checked."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class TokenError(ValueError):
    """A token cannot be used.

    The text is ``Token has expired`` or ``Invalid token``: why exactly a token was refused
    helps only whoever forged it.
    """

    def __init__(self, message: str = "Invalid token") -> None:
        super().__init__(message)

    @property
    def expired(self) -> bool:
        """True when nothing but its age is wrong with the token."""
        return isinstance(self, TokenExpired)


class TokenExpired(TokenError):
    """The token was good until its ``exp``."""

    def __init__(self) -> None:
        super().__init__("Token has expired")


class TokenCodec(Protocol):
    """Makes tokens and says what a token claims.

    Every adapter owes: `verify` gives claims only for a token that this codec, or an issuer it
    trusts, signed with the algorithm of the key, that has not ended and that is meant for this
    application. Both methods work without waiting; keys are at hand or the adapter says
    `Unavailable`.
    """

    def issue(
        self,
        subject: str,
        *,
        audience: str | None = None,
        lifetime_s: float | None = None,
        scopes: Sequence[str] = (),
        claims: Mapping[str, object] | None = None,
    ) -> str:
        """Return a token about ``subject`` that ends after ``lifetime_s`` seconds.

        Args:
            audience: For whom the token is; the codec's own audience when absent.
            lifetime_s: Seconds; the codec's own lifetime when absent. Never endless.
            scopes: What the token may be used for, joined into ``scope``.
            claims: Further claims. They cannot replace those the codec writes itself.
        """
        ...

    def verify(self, token: str) -> Mapping[str, object]:
        """Return the claims of ``token``.

        Raises:
            TokenError: The token is not one to believe.
        """
        ...

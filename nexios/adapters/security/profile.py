"""What a token must claim to be believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nexios.adapters.security.algorithms import UnusableKey
from nexios.adapters.security.claims import audiences, check_subject, date
from nexios.application.tokens import TokenError, TokenExpired

_MAX_AGE_S: Final = 24 * 3600
_STRICT_LEEWAY_S: Final = 30.0
_STRICT_CLAIMS: Final = ("exp", "iat", "iss", "aud", "sub")


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

    def check_kind(self, header: Mapping[str, object]) -> None:
        """Refuse a token that is of another kind than this profile is about.

        Raises:
            TokenError: Always the same one.
        """
        kind = header.get("typ")
        if kind is None and "typ" not in header and not self.strict:
            return
        if not isinstance(kind, str):
            raise TokenError
        # Media types know no case and may drop "application/" (RFC 7515, 4.1.9).
        name = kind.lower().removeprefix("application/")
        if name != ("at+jwt" if self.strict else "jwt"):
            raise TokenError

    def check(self, claims: Mapping[str, object], now: float) -> None:
        """Refuse claims that are missing, mistyped, out of date or meant for somebody else.

        Raises:
            TokenExpired: Nothing else is wrong with them.
            TokenError: Anything else.
        """
        leeway = self.tolerance_s
        ends, begins, made = (date(claims, name) for name in ("exp", "nbf", "iat"))
        if ends is None or (begins is not None and begins > now + leeway):
            raise TokenError
        check_subject(claims)
        if self.strict:
            if any(name not in claims for name in _STRICT_CLAIMS) or made is None:
                raise TokenError
            if made > now + leeway or made < now - _MAX_AGE_S - leeway:
                raise TokenError
            if not isinstance(claims["sub"], str) or claims["iss"] != self.issuer:
                raise TokenError
        if "aud" in claims and self.audience not in audiences(claims["aud"]):
            raise TokenError
        if ends <= now - leeway:
            raise TokenExpired


PLAIN: Final = Profile()
"""What a token of nobody in particular must claim."""

"""What a token must claim to be believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from nexios.adapters.security.algorithms import UnusableKey
from nexios.adapters.security.claims import audiences, check_subject, date
from nexios.application.tokens import TokenError, TokenExpired

_STRICT_LEEWAY_S: Final = 30.0
_STRICT_CLAIMS: Final = ("exp", "iat", "iss", "aud", "sub")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a token must claim, beyond a good signature and an end.

    Strict as soon as there is an issuer and an audience: then `exp iat iss aud sub` must be
    there, and the clocks may differ by 30 s. Otherwise plain: an ``aud`` is refused, since
    nobody said whose it should be.

    Args:
        leeway_s: By how many seconds the clocks of issuer and verifier may differ.
        kind: Of a strict profile. ``access`` tokens have the ``typ`` ``at+jwt`` (RFC 9068), ``id``
            tokens ``JWT`` or none (OpenID Connect Core, 2).
        max_age_s: Of a strict profile: how long ago ``iat`` may be.
        required: Claims that have to be there besides.

    Raises:
        UnusableKey: One of issuer and audience is missing, or both for an ID token.
    """

    issuer: str | None = None
    audience: str | None = None
    leeway_s: float = 0.0
    kind: Literal["access", "id"] = "access"
    max_age_s: float = 24 * 3600.0
    required: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.issuer is None) != (self.audience is None):
            raise UnusableKey(
                "issuer and audience belong together: a token of an issuer is refused unless it "
                "is meant for this application; fix: give both, or none"
            )
        if self.kind not in {"access", "id"}:
            raise UnusableKey(f"a profile is about access or id tokens, not {self.kind!r}")
        if self.kind == "id" and self.issuer is None:
            raise UnusableKey("an ID token has an issuer and an audience; fix: give both")

    @property
    def strict(self) -> bool:
        """True when issuer and audience are compared."""
        return self.issuer is not None

    @property
    def typ(self) -> str:
        """The media type in the header of such a token."""
        return "at+jwt" if self.strict and self.kind == "access" else "JWT"

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
        if "typ" not in header and self.typ == "JWT":
            return
        if not isinstance(kind, str):
            raise TokenError
        # Media types know no case and may drop "application/" (RFC 7515, 4.1.9).
        name = kind.lower().removeprefix("application/")
        if name != self.typ.lower():
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
        if any(name not in claims for name in self.required):
            raise TokenError
        if self.strict:
            if any(name not in claims for name in _STRICT_CLAIMS) or made is None:
                raise TokenError
            if made > now + leeway or made < now - self.max_age_s - leeway:
                raise TokenError
            if not isinstance(claims["sub"], str) or claims["iss"] != self.issuer:
                raise TokenError
        if "aud" in claims and self.audience not in audiences(claims["aud"]):
            raise TokenError
        if ends <= now - leeway:
            raise TokenExpired


PLAIN: Final = Profile()
"""What a token of nobody in particular must claim."""

"""Reads what an OAuth provider answers, and believes none of it before it was looked at."""

import re
from collections.abc import Mapping
from typing import Any, Final

from nexios.adapters.security.claims import json_object
from nexios.application.identity_provider import (
    LoginRefused,
    ProviderTokens,
    ProviderUnavailable,
)
from nexios.application.tokens import TokenError

VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
"""What tokens, codes and addresses are made of (RFC 6749, appendix A)."""

_ERROR: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CODE_CHARACTERS: Final = 2048
_TOKEN_CHARACTERS: Final = 8 * 2**10  # they are kept in the session
_LEVELS: Final = 32
_LONGEST_S: Final = 10 * 366 * 86_400


def code_in(answer: Mapping[str, str], issuer: str, *, names_issuer: bool) -> str:
    """Return the code that a browser brought back (RFC 6749, 4.1.2; RFC 9207, 2.4).

    Args:
        answer: The fields of the callback.
        issuer: Of the provider the login was begun with.
        names_issuer: It announced that it names itself.

    Raises:
        LoginRefused: There is none, it is of another provider, or the provider said no.
    """
    told = answer.get("iss")
    if told is None and names_issuer:
        raise LoginRefused("the callback does not name its issuer")
    if told is not None and told != issuer:
        raise LoginRefused(f"the callback names the issuer {told[:200]!r}")
    error = answer.get("error")
    if error is not None:
        shown = error if _ERROR.fullmatch(error) else None
        raise LoginRefused(f"the provider said {shown or 'no readable error'}", error=shown)
    code = answer.get("code", "")
    if len(code) > _CODE_CHARACTERS or VISIBLE.fullmatch(code) is None:
        raise LoginRefused("the callback has no usable code")
    return code


def check_token_answer(status: int, content: bytes) -> None:
    """Let pass what a token endpoint answers when all is well (RFC 6749, 5.1).

    Raises:
        LoginRefused: The code or refresh token was used, is old, or of somebody else.
        ProviderUnavailable: Anything else that is not a JSON object with status 200.
    """
    try:
        told = json_object(content)
    except TokenError:
        raise ProviderUnavailable(f"token endpoint: {status} and no JSON object") from None
    error = told.get("error")
    if error is not None or status != 200:
        code = error if isinstance(error, str) and _ERROR.fullmatch(error) else "no error code"
        if code == "invalid_grant":
            raise LoginRefused(f"token endpoint: {code}")
        raise ProviderUnavailable(f"token endpoint: {status}, {code}")


def tokens_in(told: Mapping[str, Any], now: float) -> ProviderTokens:
    """Return the tokens of a good answer.

    Raises:
        ProviderUnavailable: A member is not what it has to be.
    """
    kind, access = told.get("token_type"), told.get("access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ProviderUnavailable(f"token_type is {str(kind)[:60]!r}, not bearer")
    if not isinstance(access, str) or VISIBLE.fullmatch(access) is None:
        raise ProviderUnavailable("there is no usable access_token")
    if len(access) > _TOKEN_CHARACTERS:
        raise ProviderUnavailable("the access_token is too long")
    lasts = _seconds(told.get("expires_in"))
    return ProviderTokens(
        access_token=access,
        expires_at=None if lasts is None else now + lasts,
        refresh_token=_text(told, "refresh_token"),
        id_token=_text(told, "id_token"),
        scope=_text(told, "scope"),
    )


def check_depth(value: object, levels: int = _LEVELS) -> None:
    """Refuse what is nested so deep that writing it down again may fail.

    Raises:
        TokenError: There are more levels.
    """
    if not isinstance(value, (dict, list)):
        return
    if levels == 0:
        raise TokenError
    for one in value.values() if isinstance(value, dict) else value:
        check_depth(one, levels - 1)


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ProviderUnavailable(f"{name} is no text")
    if len(value) > _TOKEN_CHARACTERS:
        raise ProviderUnavailable(f"the {name} is too long")
    return value


def _seconds(value: object) -> float | None:
    """Read ``expires_in``, which some write as text."""
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:12])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ProviderUnavailable("expires_in is no number")
    if not 0 <= value <= _LONGEST_S:
        raise ProviderUnavailable("expires_in is out of bounds")
    return float(value)

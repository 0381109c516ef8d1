"""Takes secrets out of what is shown, logged or reported, by name and by shape."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Final

from nexios.application.keyring import Secret

MASK: Final = "***"

_NAMES: Final = re.compile(
    r"password|passwd|passphrase|pwd|secret|token|authorization|cookie|key|dsn|credential"
    r"|session_?id|cvv|cvc"
)
# They tell where a secret is or what it is called, and are none.
_ABOUT: Final = ("_name", "_path", "_domain", "_samesite")
_PEM: Final = "-----BEGIN "
_PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}-----")
_USERINFO: Final = re.compile(r"(://[^:/?#@\s]*:)[^/?#\s]*(@)")
_SCHEME: Final = re.compile(
    r"(?i)\b(bearer|basic|digest|negotiate|apikey|token) +[A-Za-z0-9\-._~+/]{8,}=*"
)
# Every part has a length, so that no text costs more than its own, times a number.
_VALUE: Final = r"\"[^\"]{0,4096}\"?|'[^']{0,4096}'?|[^\s\"'&,;)}\]<>]{1,4096}"
_PAIR: Final = re.compile(
    r"(?i)((?:password|passwd|passphrase|pwd|secret|token|credentials?|dsn|session_?id|cvv|cvc"
    r"|(?:api|private|secret|access|signing|encryption|account)[_-]?key)"
    rf"[\w-]{{0,32}}[\"']?\s{{0,4}}(?:=>|[=:])\s{{0,4}}[rb]{{0,2}})(?:{_VALUE})"
)
_HEADER: Final = re.compile(
    r"(?i)((?:authorization|cookie)[\"']?\s{0,4}[=:,]\s{0,4}b?)"
    r"(?:\"[^\"]{0,8192}\"?|'[^']{0,8192}'?|[^\r\n\"']{1,8192})"
)
_ISSUED: Final = re.compile(  # by services that mark their keys, so that they can be found
    r"\b(?:[spr]k_(?:live|test)_|gh[oprsu]_|github_pat_|glpat-|xox[abeprs]-|AKIA|ASIA|AIza"
    r"|SG\.|npm_|pypi-)[\w.-]{8,}"
)
# Whatever the patterns above begin with or hold; most lines have none of it.
_HINTS: Final = (
    "://", "-----begin ", "passw", "passphrase", "pwd", "secret", "token", "credential", "dsn",
    "sessionid", "session_id", "cvv", "cvc", "key", "authorization", "cookie", "bearer", "basic",
    "digest", "negotiate", "sk_", "pk_", "rk_", "gho_", "ghp_", "ghr_", "ghs_", "ghu_",
    "github_pat_", "glpat-", "xox", "akia", "asia", "aiza", "sg.", "npm_", "pypi-",
)  # fmt: skip
_HINT: Final = re.compile("|".join(map(re.escape, _HINTS)), re.IGNORECASE)
_RUN: Final = re.compile(r"[A-Za-z0-9+/_\-=]{20,}")
_HEX: Final = re.compile(r"[0-9a-fA-F]{32,}")
_ALNUM: Final = re.compile(r"[A-Za-z0-9]+")
_DIGITS: Final = re.compile(r"\d+(?:[ -]\d+)*")
_GROUP: Final = re.compile(r"\d+")
_CARD: Final = range(13, 20)


def is_secret(name: object) -> bool:
    """Return whether what stands under this name is not shown."""
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    if not isinstance(name, str):
        return False
    lowered = name.lower()
    return _NAMES.search(lowered) is not None and not lowered.endswith(_ABOUT)


def scrub(value: object, name: object = "") -> object:
    """Return a plain copy fit to be shown, of texts, lists, mappings and dataclasses.

    What stands under the name of a secret is masked whole, whatever it is; of a pair in a list,
    as headers are, the first is the name. Other objects come back as they are.
    """
    if isinstance(value, Secret) or (value and not isinstance(value, bool) and is_secret(name)):
        return MASK
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, (bytes, bytearray)):
        return scrubbed(value.decode("latin-1"))
    if isinstance(value, Mapping):
        return {key: scrub(below, key) for key, below in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        held = ((one.name, getattr(value, one.name)) for one in fields(value))
        return {key: _member(key, below) for key, below in held}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_item(one, name) for one in value]
    return value


def _member(name: str, value: object) -> object:
    # A class of settings counts in numbers: limits.token_bytes is no token.
    return value if isinstance(value, (int, float)) else scrub(value, name)


def _item(one: object, name: object) -> object:
    if isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], (str, bytes)):
        return [scrub(one[0]), scrub(one[1], one[0])]
    return scrub(one, name)


def scrubbed(text: str) -> str:
    """Return a text without what looks like a secret. Takes time in proportion to its length.

    Masked are PEM blocks, passwords in URLs, credentials after their scheme, values after
    ``password=`` and the like, keys that services mark as theirs, random-looking strings of 20
    and more characters, and card numbers.
    """
    text = _without_pem(text)
    text = _USERINFO.sub(rf"\1{MASK}\2", text)
    text = _HEADER.sub(rf"\1{MASK}", text)
    text = _SCHEME.sub(rf"\1 {MASK}", text)
    text = _PAIR.sub(rf"\1{MASK}", text)
    text = _ISSUED.sub(MASK, text)
    text = _RUN.sub(_unless_words, text)
    return _DIGITS.sub(_without_cards, text)


def may_hold_secret(text: str) -> bool:
    """Return whether `scrubbed_line` has to look at a text: it holds a word that secrets stand by.

    Words are found in it one by one in a seventh of the time of a pattern: 0.7 us a line.
    """
    if not text.isascii():
        return _HINT.search(text) is not None  # some letters are others in another case
    lowered = text.lower()
    for hint in _HINTS:  # noqa: SIM110  # a generator takes twice the time
        if hint in lowered:
            return True
    return False


def scrubbed_line(text: str) -> str:
    """Return a line of a log without what says of itself that it is a secret.

    Unlike `scrubbed` it leaves ids alone, random as they look: people search for them.
    """
    if not may_hold_secret(text):
        return text
    text = _without_pem(text)
    text = _USERINFO.sub(rf"\1{MASK}\2", text)
    text = _HEADER.sub(rf"\1{MASK}", text)
    text = _SCHEME.sub(rf"\1 {MASK}", text)
    text = _PAIR.sub(rf"\1{MASK}", text)
    return _ISSUED.sub(MASK, text)


def masked(value: object, name: object) -> object:
    """Return what a log shows of a value: numbers, and what has no name of a secret."""
    if isinstance(value, Secret):
        return MASK
    number = value is None or isinstance(value, (bool, int, float))
    return MASK if not number and is_secret(name) else value


def said_by(error: BaseException) -> str:
    """Return the text of an error, scrubbed; of one whose text cannot be made, that."""
    try:
        return scrubbed(str(error))
    except Exception:
        return "(its text cannot be made)"


def _without_pem(text: str) -> str:
    begin = text.find(_PEM)
    if begin < 0:
        return text
    parts, at = [], 0
    while begin >= 0:
        parts += [text[at:begin], MASK]
        end = _PEM_END.search(text, begin)
        if end is None:  # cut off, and still a key
            return "".join(parts)
        at = end.end()
        begin = text.find(_PEM, at)
    return "".join([*parts, text[at:]])


def _unless_words(found: re.Match[str]) -> str:
    return MASK if _looks_random(found[0]) else found[0]


def _looks_random(run: str) -> bool:
    """Return whether a run of characters changes its kind more often than words do.

    Of random base64, two neighbours in three differ in kind (capital, small, digit); of names in
    code two in five at most, and few hold more than one digit.
    """
    if _HEX.search(run) and _is_mixed(run):
        return True
    bare = "".join(_ALNUM.findall(run))
    if len(bare) < 20 or not any(map(str.isdigit, bare)):
        return False
    kinds = [0 if one.isdigit() else 1 if one.islower() else 2 for one in bare]
    changes = sum(before != after for before, after in pairwise(kinds)) / len(bare)
    digits = kinds.count(0)
    if len(set(kinds)) == 3:
        return changes >= (0.37 if digits > 1 else 0.52)
    return len(bare) == len(run) >= 24 and digits >= len(run) / 8 and changes >= 0.25


def _is_mixed(run: str) -> bool:
    return any(
        any(map(str.isdigit, one)) and any(map(str.isalpha, one)) for one in _HEX.findall(run)
    )


def _without_cards(found: re.Match[str]) -> str:
    text = found[0]
    if len(text) < _CARD.start:
        return text
    groups = [(one.start(), one.end()) for one in _GROUP.finditer(text)]
    kept, at, first = [], 0, 0
    while first < len(groups):
        last = _card_from(text, groups, first)
        if last is None:
            first += 1
            continue
        kept += [text[at : groups[first][0]], MASK]
        at, first = groups[last][1], last + 1
    return "".join([*kept, text[at:]])


def _card_from(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """Return the last group of the card number that begins with ``first``, if one does."""
    digits = ""
    for last in range(first, min(first + 5, len(groups))):
        begin, end = groups[last]
        digits += text[begin:end][: _CARD.stop]
        if len(digits) >= _CARD.stop:
            return None
        if len(digits) in _CARD and digits[0] in "23456" and _luhn(digits):
            return last
    return None


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 * (number > 9)
    return total % 10 == 0

"""The port that hashes passwords, and how long a password may be."""

import unicodedata
from typing import Final, Protocol

from nexios.domain.errors import InvalidValue
from nexios.records import dataclass

MIN_BYTES: Final = 8
MAX_BYTES: Final = 1024

# NFC shrinks a text to a third of its bytes at most (of Hangul's letters it makes syllables), and
# takes time by the square of their number for marks that stand in a row.
_MAX_TYPED_BYTES: Final = MAX_BYTES * 3


class PasswordLength(InvalidValue):
    """A password is shorter or longer than passwords are."""

    def __init__(self) -> None:
        super().__init__(
            f"a password has {MIN_BYTES} to {MAX_BYTES} bytes of UTF-8",
            min_bytes=MIN_BYTES,
            max_bytes=MAX_BYTES,
        )


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of a password.

    Attributes:
        ok: It is the one that was hashed.
        replacement: What to keep from now on in place of the stored hash, which is of old
            parameters; None where that is as it should be.
    """

    ok: bool
    replacement: str | None = None


class PasswordHasher(Protocol):
    """Hashes passwords so that a copy of the store tells none.

    Each adapter owes: the length is checked before anything is computed; the same password in
    another Unicode form is the same password; work is bounded, and never done in the event loop;
    `verify` costs about the same whatever is wrong, and a hash it cannot read is a wrong password
    and an error in the log.
    """

    async def hash(self, password: str) -> str:
        """Return what to store: another text each time, with all that `verify` needs.

        Raises:
            PasswordLength: It is too short or too long.
            Overloaded: Too many wait already.
        """
        ...

    async def verify(self, password: str, stored: str | None) -> Verified:
        """Compare a password with what `hash` returned once.

        Args:
            password: As it was typed.
            stored: The hash; None for nobody, which costs the same work and is never ok.

        Raises:
            PasswordLength: It is too short or too long.
            Overloaded: Too many wait already.
        """
        ...


def password_bytes(password: str) -> bytes:
    """Return the bytes that are hashed: UTF-8 of the form NFC (RFC 8265, 4.2.2).

    Raises:
        PasswordLength: They are too few or too many; of a very long text none are made.
    """
    if len(password) > _MAX_TYPED_BYTES:
        raise PasswordLength
    try:
        typed = password.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise InvalidValue("a password is text") from error
    if len(typed) > _MAX_TYPED_BYTES:
        raise PasswordLength
    made = unicodedata.normalize("NFC", password).encode()
    if not MIN_BYTES <= len(made) <= MAX_BYTES:
        raise PasswordLength
    return made

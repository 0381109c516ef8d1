"""What the port ``PasswordHasher`` owes: argon2id, and the fast one of the test tools."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from nexios.adapters.security.passwords import Argon2Passwords
from nexios.application.passwords import PasswordHasher, PasswordLength, Verified
from nexios.domain.errors import InvalidValue
from nexios.testing.passwords import FastPasswords

pytestmark = pytest.mark.asyncio

Made = Callable[[int], PasswordHasher]
GOOD = "correct horse"


@pytest.fixture(params=["argon2", "fast"])
def make(request: pytest.FixtureRequest) -> Made:
    """Return what makes a hasher; another number gives other parameters."""
    if request.param == "fast":
        return lambda number: FastPasswords(str(number))
    return lambda number: Argon2Passwords(memory_kib=64 * number, passes=1)


@pytest.fixture
def hasher(make: Made) -> PasswordHasher:
    return make(1)


async def test_what_was_hashed_verifies_and_nothing_else(hasher: PasswordHasher) -> None:
    stored = await hasher.hash(GOOD)
    assert GOOD not in stored
    assert await hasher.verify(GOOD, stored) == Verified(ok=True)
    for wrong in ("correct horsf", "Correct horse", "correct horse ", "x" * 1024):
        assert await hasher.verify(wrong, stored) == Verified(ok=False)


async def test_each_hash_has_a_salt_of_its_own(hasher: PasswordHasher) -> None:
    assert len({await hasher.hash(GOOD) for _ in range(5)}) == 5


async def test_old_parameters_are_replaced(make: Made) -> None:
    old, new = make(1), make(2)
    stored = await old.hash(GOOD)
    assert await new.verify("a wrong one", stored) == Verified(ok=False)
    told = await new.verify(GOOD, stored)
    assert told.ok
    assert told.replacement is not None
    assert await new.verify(GOOD, told.replacement) == Verified(ok=True)


async def test_nobody_has_no_password(hasher: PasswordHasher) -> None:
    assert await hasher.verify(GOOD, None) == Verified(ok=False)


@pytest.mark.parametrize("length", [0, 7, 1025, 4097, 2**20])
async def test_length_is_checked_before_hashing(hasher: PasswordHasher, length: int) -> None:
    stored = await hasher.hash(GOOD)
    for refused in (hasher.hash("x" * length), hasher.verify("x" * length, stored)):
        with pytest.raises(PasswordLength, match="8 to 1024 bytes"):
            await refused


@pytest.mark.parametrize("password", ["12345678", "x" * 1024, "ü" * 4, "😀" * 256, "a\0bcdefg"])
async def test_the_ends_of_the_range_are_passwords(hasher: PasswordHasher, password: str) -> None:
    assert (await hasher.verify(password, await hasher.hash(password))).ok


async def test_bytes_count_as_they_are_after_nfc(hasher: PasswordHasher) -> None:
    composed, apart = "\u1f82" * 300, "\u03b1\u0313\u0300\u0345" * 300  # 900 and 2,400 bytes
    assert (await hasher.verify(apart, await hasher.hash(composed))).ok
    syllables, letters = "\ud55c" * 341, "\u1112\u1161\u11ab" * 341  # 1,023 and 3,069 bytes
    assert (await hasher.verify(letters, await hasher.hash(syllables))).ok
    with pytest.raises(PasswordLength):
        await hasher.hash("e\u0301" * 3 + "x")  # 10 bytes as typed, 7 composed


async def test_what_is_no_text_is_no_password(hasher: PasswordHasher) -> None:
    with pytest.raises(InvalidValue, match="is text"):
        await hasher.hash("half a \ud800 pair")


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "correct horse",
        "$1$salt$hash",
        "$argon2id$",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdA",
        "$5$rounds=5$ü$" + "x" * 4096,
        "pbkdf2_sha256$1$a$b",
        "\n",
    ],
)
async def test_foreign_hash_format_is_a_failed_login(
    hasher: PasswordHasher, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await hasher.verify(GOOD, stored) == Verified(ok=False)
    (record,) = [one for one in caplog.records if one.name == "nexios.auth"]
    assert record.levelno == logging.ERROR
    assert "cannot be read" in record.getMessage()
    assert GOOD not in record.getMessage()


async def test_many_at_once_each_get_their_own_answer(hasher: PasswordHasher) -> None:
    names = [f"password of {number}" for number in range(16)]
    stored = await asyncio.gather(*(hasher.hash(name) for name in names))
    pairs = [(name, other) for name in names[:4] for other in stored]
    told = await asyncio.gather(*(hasher.verify(name, other) for name, other in pairs))
    right = [index for index, one in enumerate(told) if one.ok]
    assert right == [0, 17, 34, 51]

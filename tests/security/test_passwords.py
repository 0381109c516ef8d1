"""The door of pwdlib: how much is hashed at once, and what becomes of older hashes."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import anyio
import bcrypt
import pytest

from nexios.adapters.security.passwords import Argon2Passwords, _line
from nexios.application.errors import Overloaded
from nexios.application.passwords import PasswordLength, Verified

pytestmark = pytest.mark.asyncio

GOOD = "correct horse"


def small(**options: int) -> Argon2Passwords:
    return Argon2Passwords(memory_kib=64, passes=1, **options)


class Work:
    """Blocks threads until it may end, and counts them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.go_on = threading.Event()
        self.now = 0
        self.most = 0
        self.done = 0

    def __call__(self) -> str:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.go_on.wait(20)
        with self._lock:
            self.now -= 1
            self.done += 1
        return "done"


async def until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not true():  # noqa: ASYNC110  # threads change it
            await asyncio.sleep(0.002)


async def test_hash_parameters_are_ours() -> None:
    stored = await Argon2Passwords().hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    told = await Argon2Passwords().verify(GOOD, await small().hash(GOOD))
    assert told.ok
    assert (told.replacement or "").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("prefix", ["2a", "2b", "2y"])
async def test_bcrypt_verifies_and_is_replaced(prefix: str) -> None:
    stored = bcrypt.hashpw(GOOD.encode(), bcrypt.gensalt(4)).decode()
    stored = f"${prefix}${stored[4:]}"
    assert await small().verify("wrong horse", stored) == Verified(ok=False)
    told = await small().verify(GOOD, stored)
    assert told.ok
    assert await small().verify(GOOD, told.replacement) == Verified(ok=True)


async def test_bcrypt_knew_72_bytes_and_what_follows_is_not_believed() -> None:
    long = "x" * 72 + " and what bcrypt never looked at"
    stored = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    assert await small().verify(long, stored) == Verified(ok=True)
    assert await small().verify("x" * 71, stored) == Verified(ok=False)
    exact = await small().verify("x" * 72, stored)
    assert exact.replacement is not None


async def test_a_damaged_bcrypt_hash_is_a_failed_login(caplog: pytest.LogCaptureFixture) -> None:
    stored = "$2b$99$" + "x" * 53
    assert await small().verify(GOOD, stored) == Verified(ok=False)
    assert "a stored password cannot be read: its format is '2b'" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


async def test_a_stored_password_in_plain_text_reaches_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for stored in (GOOD, f"${GOOD}$", "hunter2hunter2"):
        assert await small().verify(GOOD, stored) == Verified(ok=False)
        assert stored not in caplog.text


async def test_so_many_hash_at_once_so_many_wait_and_the_rest_is_refused() -> None:
    passwords, work = small(at_once=2, waiting=3), Work()
    calls = [asyncio.create_task(passwords._in_thread(work)) for _ in range(9)]
    await until(lambda: sum(one.done() for one in calls) == 4 and work.now == 2)
    refused = [one.exception() for one in calls if one.done()]
    assert all(isinstance(one, Overloaded) and one.retry_after_s == 1.0 for one in refused)
    with pytest.raises(Overloaded):
        await passwords.hash(GOOD)
    with pytest.raises(Overloaded):  # another object, the same cores
        await small(at_once=2, waiting=3).hash(GOOD)
    with pytest.raises(PasswordLength):  # is told before, it costs nothing
        await passwords.hash("short")
    work.go_on.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert done.count("done") == 5
    assert work.most == 2
    assert (await passwords.verify(GOOD, await passwords.hash(GOOD))).ok


async def test_cancelled_callers_leave_no_place_taken() -> None:
    passwords, work = small(at_once=1, waiting=2), Work()

    async def cancelled_scope() -> None:
        with anyio.move_on_after(0.02):
            await passwords._in_thread(work)

    calls = [asyncio.create_task(cancelled_scope()) for _ in range(3)]
    await until(lambda: work.now == 1)
    waited = time.monotonic()
    await until(lambda: sum(one.done() for one in calls) == 2 or time.monotonic() - waited > 15)
    work.go_on.set()
    await asyncio.gather(*calls)
    assert _line(1).inside == 0
    assert _line(1).limiter.borrowed_tokens == 0
    assert work.done == 1
    assert await passwords._in_thread(work) == "done"


async def test_a_task_cancelled_by_hand_does_not_let_another_hash_beside_its_thread() -> None:
    passwords, work = small(at_once=1, waiting=4), Work()
    first = asyncio.create_task(passwords._in_thread(work))
    await until(lambda: work.now == 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    later = [asyncio.create_task(passwords._in_thread(work)) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert work.now == 1
    work.go_on.set()
    assert await asyncio.gather(*later) == ["done", "done"]
    assert work.most == 1
    assert (work.done, _line(1).inside) == (3, 0)


async def test_event_loops_share_one_hasher() -> None:
    passwords = small(at_once=1)
    calls = (asyncio.to_thread(lambda: asyncio.run(passwords.hash(GOOD))) for _ in range(3))
    for stored in (await passwords.hash(GOOD), *await asyncio.gather(*calls)):
        assert (await passwords.verify(GOOD, stored)).ok


@pytest.mark.parametrize(
    "options", [{"passes": 0}, {"lanes": 0}, {"at_once": 0}, {"waiting": -1}, {"memory_kib": 7}]
)
async def test_numbers_that_do_not_fit_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Argon2Passwords(**options)

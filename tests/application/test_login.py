"""Logins with a password: what is counted, what is the same for all, what is told to whom."""

import logging

import pytest

from nexios.application.errors import Overloaded, RateLimited, Unavailable
from nexios.application.login import (
    Account,
    PasswordLogin,
)
from nexios.application.passwords import PasswordLength, Verified
from nexios.application.security_events import SecurityEvent
from nexios.domain.errors import InvalidValue
from nexios.testing.passwords import FastPasswords
from nexios.testing.security import KeptSecurityEvents
from tests.support.logins import GOOD, Asked, Door, door

pytestmark = pytest.mark.asyncio


class Down:
    async def hit(self, hits: object) -> object:
        raise Unavailable


class Full(FastPasswords):
    async def verify(self, password: str, stored: str | None) -> Verified:
        raise Overloaded(retry_after_s=1.0)


async def outcome(login: PasswordLogin, *told: str) -> object:
    """Return what came of a login: its result, or the error's kind, text and wait."""
    try:
        return await login(*told)
    except RateLimited as refused:
        return type(refused), str(refused), refused.retry_after_s


async def test_who_knows_the_password_is_in() -> None:
    login = (await door()).login()
    assert await login("ada", GOOD, "192.0.2.1") == Account("user-ada")
    assert await login("ada", "wrong horse", "192.0.2.1") is None
    assert await login("eve", GOOD, "192.0.2.1") is None
    assert await login("bob", GOOD, "192.0.2.1") is None


@pytest.mark.parametrize("name", ["eve", "bob"])
async def test_known_and_unknown_names_look_alike(name: str) -> None:
    async def tried(who: str) -> tuple[list[object], int, int, int, list[list[float]]]:
        made = await door()
        login, found = made.login(), list[object]()
        for number in range(8):
            found.append(await outcome(login, who, "wrong horse", f"192.0.2.{number % 2}"))
        work = made.hasher.verified, made.hasher.hashed, len(made.accounts.asked)
        rates = [[hit.rate.interval_s for hit in call] for call in made.counters.calls]
        return found, *work, rates

    known, unknown = await tried("ada"), await tried(name)
    assert known == unknown
    assert known[0][:5] == [None] * 5
    assert known[0][5:] == [(RateLimited, "too many requests", 20.0)] * 3
    assert known[1] == 5


async def test_attempts_are_counted_before_hashing() -> None:
    made = await door()
    login = made.login()
    for _ in range(5):
        assert await login("ada", "wrong horse", "192.0.2.1") is None
    for password in ("wrong horse", GOOD):
        with pytest.raises(RateLimited):
            await login("ada", password, "192.0.2.2")
    assert (made.hasher.verified, len(made.accounts.asked)) == (5, 5)
    made.counters.now += 20.0
    assert await login("ada", GOOD, "192.0.2.2") == Account("user-ada")
    with pytest.raises(RateLimited):
        await login("ada", GOOD, "192.0.2.2")


async def test_both_counts_are_one_call_and_a_refusal_costs_neither() -> None:
    made = await door()
    login = made.login()
    for _ in range(5):
        await login("ada", "wrong horse", "192.0.2.1")
    for _ in range(40):
        with pytest.raises(RateLimited):
            await login("ada", "wrong horse", "192.0.2.1")
    assert all(len(call) == 2 for call in made.counters.calls)
    for number in range(15):  # the twenty of the address, less the five that were tried
        assert await login(f"name-{number}", "wrong horse", "192.0.2.1") is None
    with pytest.raises(RateLimited) as refused:
        await login("one more", "wrong horse", "192.0.2.1")
    assert refused.value.retry_after_s == pytest.approx(3.0)
    assert await login("one more", "wrong horse", "192.0.2.2") is None


async def test_addresses_of_one_network_share() -> None:
    made = await door()
    login = made.login()
    for number in range(20):
        await login(f"name-{number}", "wrong horse", f"2001:db8::{number:x}")
    with pytest.raises(RateLimited):
        await login("one more", "wrong horse", "2001:db8::ffff")
    assert await login("one more", "wrong horse", "2001:db8:0:1::1") is None


async def test_spellings_of_one_name_share_one_count() -> None:
    login = (await door()).login()
    for spelled in ("ada", "ADA", " ada ", "ａｄａ", "Ada"):
        await login(spelled, "wrong horse")
    with pytest.raises(RateLimited):
        await login("aDA", "wrong horse")


async def test_neither_names_nor_addresses_reach_the_store() -> None:
    made = await door()
    await made.login()("ada@example.com", "wrong horse", "192.0.2.1")
    told = " ".join(hit.key for hit in made.counters.calls[0])
    assert "ada" not in told.replace("login:address", "")
    assert "192.0.2" not in told
    assert GOOD not in told


async def test_counters_that_are_down_let_nobody_in() -> None:
    made = await door()
    with pytest.raises(Unavailable):
        await made.login(Down())("ada", GOOD, "192.0.2.1")  # type: ignore[arg-type]
    assert (made.hasher.verified, made.accounts.asked) == (0, [])


async def test_too_many_at_once_is_no_failed_login() -> None:
    made = await door()
    with pytest.raises(Overloaded):
        await PasswordLogin(made.accounts, Full(), Asked(), made.events)("ada", GOOD)
    assert not made.events.events


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "short"),
        ("ada", "x" * 2**20),
        ("ada", "half \ud800 pair"),
        ("", GOOD),
        ("x" * 321, GOOD),
        ("a\0da", GOOD),
        ("half \ud800 pair", GOOD),
    ],
)
async def test_what_no_name_or_no_password_is_is_not_looked_up(name: str, password: str) -> None:
    made = await door()
    with pytest.raises(InvalidValue):
        await made.login()(name, password, "192.0.2.1")
    assert (made.accounts.asked, made.hasher.verified) == ([], 0)
    assert len(made.counters.calls) == (1 if name == "ada" else 0)


async def test_length_is_told_for_known_and_unknown_names_alike() -> None:
    login = (await door()).login()
    for name in ("ada", "eve"):
        with pytest.raises(PasswordLength, match="8 to 1024 bytes"):
            await login(name, "short")


async def test_an_old_hash_is_replaced_at_login_and_only_then() -> None:
    made = await door()
    old = made.accounts.hashes["ada"]
    made.hasher = FastPasswords("2")
    login = made.login()
    await login("ada", "wrong horse")
    assert made.accounts.hashes["ada"] == old
    await login("ada", GOOD)
    new = made.accounts.hashes["ada"]
    assert (new or "").startswith("$fast$2$")
    await login("ada", GOOD)
    assert made.accounts.hashes["ada"] == new


async def test_a_password_changed_meanwhile_is_not_put_back() -> None:
    made = await door()
    changed = await FastPasswords("2").hash("another horse")

    class Slow(FastPasswords):
        async def verify(self, password: str, stored: str | None) -> Verified:
            told = await super().verify(password, stored)
            made.accounts.hashes["ada"] = changed
            return told

    made.hasher = Slow("2")
    assert await made.login()("ada", GOOD) == Account("user-ada")
    assert made.accounts.hashes["ada"] == changed


async def test_a_hash_that_cannot_be_replaced_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = await door()
    made.hasher = FastPasswords("2")

    async def fails(actor: str, stored_hash: str, *, instead_of: str) -> None:
        raise Unavailable

    made.accounts.replace = fails  # type: ignore[method-assign]  # of this fake alone
    assert await made.login()("ada", GOOD) == Account("user-ada")
    assert "'user-ada' could not be replaced" in caplog.text


async def test_outcomes_are_recorded_without_what_was_typed() -> None:
    made = await door()
    login = made.login()
    for name, password in (("ada", GOOD), ("ada", "wrong horse"), ("bob", GOOD), (GOOD, GOOD)):
        await login(name, password, "192.0.2.1")

    first, *rest = made.events.events
    assert first == SecurityEvent(
        "login",
        "allowed",
        "user-ada",
        details={"account": first.details["account"], "address": "192.0.2.1"},
    )
    assert rest[0].details == first.details
    assert [(one.outcome, one.actor, one.reason) for one in rest] == [
        ("failed", None, "wrong password"),
        ("failed", None, "wrong password"),
        ("failed", None, "unknown name"),
    ]
    assert GOOD not in repr(made.events.events)


async def test_one_too_many_is_recorded_as_denied() -> None:
    made = await door()
    login = made.login()
    for _ in range(5):
        await login("ada", "wrong horse")
    with pytest.raises(RateLimited):
        await login("ada", GOOD)

    assert (made.events.events[-1].outcome, made.events.events[-1].reason) == (
        "denied",
        "one too many",
    )


async def test_without_a_place_for_events_they_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    made = await door()
    login = PasswordLogin(made.accounts, made.hasher, made.counters)
    await login("ada", GOOD, "192.0.2.1")
    await login("ada", "wrong horse", "192.0.2.1")

    lines = [one for one in caplog.records if one.name == "nexios.security"]
    assert [one.levelno for one in lines] == [logging.INFO, logging.WARNING]
    assert GOOD not in caplog.text


@pytest.mark.parametrize("password", [GOOD, "wrong horse"])
async def test_what_cannot_be_recorded_does_not_happen(password: str) -> None:
    class Away(KeptSecurityEvents):
        async def record(self, event: SecurityEvent) -> None:
            raise Unavailable

    made = await door()
    away: Door = Door(made.accounts, made.hasher, made.counters, Away())
    with pytest.raises(Unavailable):
        await away.login()("ada", password)

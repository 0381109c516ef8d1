"""Logins of programs: pairs of tokens, their rotation and their end."""

import asyncio
import hashlib
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from nexios.adapters.security.algorithms import hmac_keys
from nexios.adapters.security.jwt import JwtCodec
from nexios.adapters.security.memory_tokens import MemoryRefreshTokens, MemoryRevocations
from nexios.application.errors import Unauthenticated, Unavailable
from nexios.application.refresh_tokens import RefreshFamily, Turn, Turned
from nexios.application.revocations import Kind
from nexios.application.sections.callers import AuthSettings
from nexios.application.security_events import SecurityEvent
from nexios.application.token_pairs import RefreshRefused, TokenPairs
from nexios.application.tokens import TokenError
from nexios.testing.security import KeptSecurityEvents

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at

    def pass_by(self, **time: float) -> None:
        self.at += timedelta(**time)


class Failing:
    async def record(self, event: SecurityEvent) -> None:
        raise ConnectionError("the audit is down")


class Desk:
    """A `TokenPairs` with all that it works with."""

    def __init__(self, listener: Any = None, **settings: Any) -> None:
        self.clock = Hands()
        self.codec = JwtCodec(
            hmac_keys([SECRET], ["HS256"]), clock=lambda: self.clock.at.timestamp()
        )
        self.store = MemoryRefreshTokens()
        self.revocations = MemoryRevocations(now=self.clock.now)
        self.noted = KeptSecurityEvents()
        self.pairs = TokenPairs(
            self.codec,
            self.store,
            self.clock,
            AuthSettings(**settings),
            self.revocations,
            listener or self.noted,
        )

    @property
    def alarms(self) -> list[SecurityEvent]:
        """What was noted besides the rotations, which are told of too."""
        return [one for one in self.noted.events if one.action != "token.rotated"]

    def claims(self, token: str) -> dict[str, Any]:
        return self.codec.verify(token)


async def test_a_login_gives_two_tokens_and_says_nothing_of_them() -> None:
    desk = Desk()
    pair = await desk.pairs.open("7", scopes=["orders:read", "orders:write"], claims={"org": 3})

    claims = desk.claims(pair.access_token)
    assert (claims["sub"], claims["scope"], claims["org"]) == ("7", "orders:read orders:write", 3)
    assert claims["exp"] - claims["iat"] == pytest.approx(600, abs=1)
    assert (pair.token_type, pair.expires_in) == ("Bearer", 600)
    assert pair.access_token not in repr(pair)
    assert pair.refresh_token not in repr(pair)
    with pytest.raises(TokenError):
        desk.claims(pair.refresh_token)


async def test_refresh_token_works_once() -> None:
    desk = Desk()
    first = await desk.pairs.open("7", scopes=["a"], claims={"org": 3})
    second = await desk.pairs.rotate(first.refresh_token)
    third = await desk.pairs.rotate(second.refresh_token)

    tokens = {one.refresh_token for one in (first, second, third)}
    assert len(tokens) == 3
    logins = [desk.claims(one.access_token) for one in (first, second, third)]
    assert len({one["sid"] for one in logins}) == 1
    assert len({one["jti"] for one in logins}) == 3
    assert all((one["sub"], one["scope"], one["org"]) == ("7", "a", 3) for one in logins)
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(second.refresh_token)


async def test_a_rotation_is_an_event_without_the_tokens() -> None:
    desk = Desk()
    first = await desk.pairs.open("7", client="app")
    second = await desk.pairs.rotate(first.refresh_token)
    (told,) = desk.noted.events
    assert (told.action, told.outcome, told.actor) == ("token.rotated", "allowed", "7")
    assert told.details["client"] == "app"
    assert not any(one in str(told) for one in (first.refresh_token, second.refresh_token))


async def test_of_a_hundred_at_once_one_wins_and_the_family_is_closed() -> None:
    desk = Desk()
    pair = await desk.pairs.open("7")
    got = await asyncio.gather(
        *(desk.pairs.rotate(pair.refresh_token) for _ in range(100)), return_exceptions=True
    )
    won = [one for one in got if not isinstance(one, BaseException)]
    assert len(won) == 1
    assert sum(isinstance(one, RefreshRefused) for one in got) == 99
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(won[0].refresh_token)
    assert len(desk.alarms) == 1


async def test_second_use_revokes_the_family_and_is_an_event() -> None:
    desk = Desk()
    first = await desk.pairs.open("7", client="phone")
    second = await desk.pairs.rotate(first.refresh_token)
    desk.clock.pass_by(minutes=3)
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(first.refresh_token)
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(second.refresh_token)

    sid = desk.claims(second.access_token)["sid"]
    (event,) = desk.alarms
    assert (event.action, event.outcome, event.actor) == ("token.reused", "denied", "7")
    assert event.details == {"client": "phone", "session": sid, "at": desk.clock.at}
    assert first.refresh_token not in repr(event)
    # The access tokens of both end too, until the last of them would have ended by itself.
    (entry,) = (await desk.revocations.since(0)).entries
    assert (entry.kind, entry.key) == (Kind.SESSION, sid)
    assert entry.until > desk.clock.at + timedelta(seconds=600)


async def test_a_listener_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(Failing())
    first = await desk.pairs.open("7")
    await desk.pairs.rotate(first.refresh_token)
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(first.refresh_token)
    assert "could not be recorded" in caplog.text


async def test_idle_and_absolute_ends_hold() -> None:
    desk = Desk(refresh_idle_s=100, refresh_absolute_s=250)
    idle = await desk.pairs.open("7")
    pair = await desk.pairs.open("7")
    for _ in range(2):
        desk.clock.pass_by(seconds=99)
        pair = await desk.pairs.rotate(pair.refresh_token)
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(idle.refresh_token)
    desk.clock.pass_by(seconds=53)
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(pair.refresh_token)
    assert desk.alarms == []


async def test_an_idle_time_beyond_the_absolute_end_does_not_prolong_it() -> None:
    desk = Desk(refresh_idle_s=1000, refresh_absolute_s=10)
    pair = await desk.pairs.open("7")
    desk.clock.pass_by(seconds=10)
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(pair.refresh_token)


async def test_grace_allows_one_repeat() -> None:
    desk = Desk(refresh_grace_s=5)
    first = await desk.pairs.open("7")
    await desk.pairs.rotate(first.refresh_token)
    desk.clock.pass_by(seconds=4)
    again = await desk.pairs.rotate(first.refresh_token)
    assert (await desk.pairs.rotate(again.refresh_token)).refresh_token
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(first.refresh_token)
    assert len(desk.alarms) == 1


async def test_stored_refresh_tokens_are_hashes() -> None:
    kept: list[bytes] = []

    class Watched(MemoryRefreshTokens):
        async def open(self, family: RefreshFamily) -> None:
            kept.extend((family.id, family.digest))
            await super().open(family)

        async def rotate(self, turn: Turn) -> Turned:
            kept.extend((turn.family, turn.spent, turn.fresh))
            return await super().rotate(turn)

    desk = Desk()
    pairs = TokenPairs(desk.codec, Watched(), desk.clock, AuthSettings())
    first = await pairs.open("7")
    second = await pairs.rotate(first.refresh_token)
    raws = [urlsafe_b64decode(one.refresh_token) for one in (first, second)]
    digests = {hashlib.sha256(raw).digest() for raw in raws}
    assert digests <= set(kept)
    assert all(len(one) == 32 for one in kept)
    for raw in raws:
        parts = {raw[n : n + 16] for n in range(len(raw) - 15)}
        assert not any(part in one for part in parts for one in kept)
    sid = desk.claims(first.access_token)["sid"]
    assert urlsafe_b64decode(sid) in kept[0]
    assert urlsafe_b64decode(sid) not in raws[0]


@pytest.mark.parametrize(
    "token", ["", "x", "a" * 63, "a" * 64, "a" * 65, "ü" * 64, "a" * 63 + "=", "a" * 10**6, "\0"]
)
async def test_what_is_no_token_of_ours_is_refused_like_every_other(token: str) -> None:
    desk = Desk()
    with pytest.raises(RefreshRefused) as refusal:
        await desk.pairs.rotate(token)
    assert isinstance(refusal.value, Unauthenticated)
    assert isinstance(refusal.value, TokenError)
    assert refusal.value.code == "invalid-grant"
    await desk.pairs.close(token)


async def test_a_forged_token_of_nobodys_family_closes_nothing() -> None:
    desk = Desk()
    pair = await desk.pairs.open("7")
    forged = pair.refresh_token[::-1]
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(forged)
    assert await desk.pairs.rotate(pair.refresh_token)
    assert desk.alarms == []


async def test_the_client_can_be_insisted_on() -> None:
    desk = Desk()
    pair = await desk.pairs.open("7", client="phone")
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(pair.refresh_token, client="desk")
    assert await desk.pairs.rotate(pair.refresh_token, client="phone")


async def test_closing_ends_the_login_and_its_access_tokens() -> None:
    desk = Desk()
    first, other = await desk.pairs.open("7"), await desk.pairs.open("7")
    second = await desk.pairs.rotate(first.refresh_token)
    await desk.pairs.close(second.refresh_token)
    await desk.pairs.close(second.refresh_token)
    with pytest.raises(RefreshRefused):
        await desk.pairs.rotate(second.refresh_token)
    (entry,) = (await desk.revocations.since(0)).entries
    assert entry.key == desk.claims(first.access_token)["sid"]
    assert await desk.pairs.rotate(other.refresh_token)


async def test_closing_all_ends_every_login_of_one_actor() -> None:
    desk = Desk()
    mine = [await desk.pairs.open("7") for _ in range(3)]
    theirs = await desk.pairs.open("8")
    assert await desk.pairs.close_all("7") == 3
    for pair in mine:
        with pytest.raises(RefreshRefused):
            await desk.pairs.rotate(pair.refresh_token)
    (entry,) = (await desk.revocations.since(0)).entries
    assert (entry.kind, entry.key, entry.before) == (Kind.SUBJECT, "7", desk.clock.at)
    assert await desk.pairs.rotate(theirs.refresh_token)
    assert desk.alarms == []


async def test_a_store_that_is_down_is_unavailable_and_no_refusal() -> None:
    class Down(MemoryRefreshTokens):
        async def rotate(self, turn: Turn) -> Turned:
            raise Unavailable

    desk = Desk()
    pair = await desk.pairs.open("7")
    pairs = TokenPairs(desk.codec, Down(), desk.clock, AuthSettings())
    with pytest.raises(Unavailable):
        await pairs.rotate(pair.refresh_token)
    assert await desk.pairs.rotate(pair.refresh_token)


async def test_the_end_of_a_reused_family_survives_a_client_that_leaves() -> None:
    class Slow(KeptSecurityEvents):
        async def record(self, event: SecurityEvent) -> None:
            await asyncio.sleep(0.05)
            await super().record(event)

    noted = Slow()
    desk = Desk(noted)
    first = await desk.pairs.open("7")
    await desk.pairs.rotate(first.refresh_token)
    with anyio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(RefreshRefused):
            await desk.pairs.rotate(first.refresh_token)
    assert [one.action for one in noted.events] == ["token.rotated", "token.reused"]
    assert len((await desk.revocations.since(0)).entries) == 1


async def test_claims_without_a_json_form_open_nothing() -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="JSON"):
        await desk.pairs.open("7", claims={"x": object()})
    assert await desk.store.close_all("7") == 0
    with pytest.raises(ValueError, match="name"):
        await desk.pairs.open("")

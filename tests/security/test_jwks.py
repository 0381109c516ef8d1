"""Published keys: how they are read, kept, renewed and discovered, and what a bad source costs."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexios.adapters.security.algorithms import UnusableKey
from nexios.adapters.security.jwks import (
    JWKS_BYTES,
    JwksSource,
    JwksVerifier,
    discover,
    is_secure,
    keys_of,
)
from nexios.adapters.security.jwt import encode
from nexios.adapters.security.outbound import Outbound, OutboundError, Reason
from nexios.adapters.security.profile import Profile
from nexios.adapters.security.signing_keys import SigningKey, VerifyKey
from nexios.application.errors import Unavailable
from nexios.application.tokens import TokenError
from tests.support.hostile import Behaviour, hostile, json_of, saying
from tests.support.keys import b64, forged, pair, signer

ISSUER = "https://id.example"
URL = "https://id.example/keys"
NOW = 1_800_000_000.0
PROFILE = Profile(ISSUER, "shop")


def key(kid: str, kind: str = "EdDSA", number: int = 0) -> SigningKey:
    return SigningKey(kid, pair(kind, number).pem)


def key_set(*keys: SigningKey | dict[str, Any]) -> dict[str, object]:
    return {"keys": [one if isinstance(one, dict) else one.public.to_jwk() for one in keys]}


def token(signing: SigningKey, **other: Any) -> str:
    claims = {"sub": "7", "iss": ISSUER, "aud": "shop", "iat": NOW, "exp": NOW + 600, **other}
    return encode(claims, signing, kind="at+jwt")


class Source:
    """An issuer's server, as a port: what it publishes, how slow it is, how often it was asked."""

    def __init__(self, *keys: SigningKey) -> None:
        self.documents: dict[str, dict[str, object]] = {URL: key_set(*keys)}
        self.down = False
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        self.reached = asyncio.Event()

    async def get_json(
        self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None
    ) -> dict[str, object]:
        self.asked.append(url)
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.down or url not in self.documents:
            raise OutboundError(Reason.UNREACHABLE, "id.example")
        return self.documents[url]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Remote:
    """A verifier over a source, and the clock both go by."""

    def __init__(self, *keys: SigningKey) -> None:
        self.source = Source(*keys)
        self.clock = Clock()
        self.verifier = JwksVerifier(
            JwksSource(URL, self.source, clock=self.clock), PROFILE, clock=lambda: NOW
        )

    async def believes(self, text: str) -> bool:
        try:
            await self.verifier.verify(text)
        except TokenError:
            return False
        return True


class TestKeySets:
    def test_each_kind_is_read_with_its_own_algorithm(self) -> None:
        document = key_set(key("a"), key("b", "ES256"), key("c", "RS256"))
        for told in (document, json.dumps(document).encode()):
            assert [(one.kid, one.algorithm) for one in keys_of(told)] == [
                ("a", "EdDSA"),
                ("b", "ES256"),
                ("c", "RS256"),
            ]

    def test_what_cannot_verify_is_left_out(self) -> None:
        good = key("good").public.to_jwk()
        rsa = key("rsa", "RS256").public.to_jwk()
        useless: list[Any] = [
            None,
            7,
            "x",
            [],
            {},
            {**good, "kid": "enc", "use": "enc"},
            {**good, "kid": "ops", "key_ops": ["encrypt"]},
            {**good, "kid": "private", "d": good["x"]},
            {**good, "kid": "curve", "crv": "Ed448"},
            {**rsa, "kid": "big", "alg": "RS512"},
            {**rsa, "kid": "small", "n": "AQAB"},
            {"kty": "oct", "kid": "shared", "k": b64(b"k" * 32), "alg": "HS256"},
            {"kty": "oct", "kid": "pem", "k": b64(pair("RS256").public_pem.encode())},
        ]
        assert [one.kid for one in keys_of({"keys": [*useless, good]})] == ["good"]

    def test_an_rsa_key_without_alg_is_for_the_first_that_is_wanted(self) -> None:
        jwk = key("a", "RS256").public.to_jwk()
        del jwk["alg"]
        for algorithms, expected in (
            (("EdDSA", "ES256", "RS256", "PS256"), "RS256"),
            (("PS256", "RS256"), "PS256"),
            (("PS256",), "PS256"),
        ):
            (read,) = keys_of({"keys": [jwk]}, algorithms)
            assert read.algorithm == expected
        with pytest.raises(UnusableKey, match="no key that verifies"):
            keys_of({"keys": [jwk]}, ("ES256",))

    def test_an_algorithm_that_is_not_wanted_is_left_out(self) -> None:
        document = key_set(key("a"), key("b", "ES256"))
        assert [one.kid for one in keys_of(document, ("ES256",))] == ["b"]

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"[]",
            b"{}",
            b"\xff",
            {"keys": {}},
            {"keys": None},
            {"keys": []},
            {"keys": [{"kty": "oct", "k": "AQAB"}]},
            b'{"keys":[],"keys":[]}',
        ],
        ids=repr,
    )
    def test_what_is_no_key_set(self, document: Any) -> None:
        with pytest.raises(UnusableKey, match="key set"):
            keys_of(document)

    def test_size_and_number_are_limited_at_and_above(self) -> None:
        document = key_set(key("a"))
        text = json.dumps(document).encode()
        assert keys_of(text + b" " * (JWKS_BYTES - len(text)))
        with pytest.raises(UnusableKey, match="more than 65536 bytes"):
            keys_of(text + b" " * (JWKS_BYTES - len(text) + 1))
        jwk = key("a").public.to_jwk()
        many = [{**jwk, "kid": str(number)} for number in range(33)]
        assert len(keys_of({"keys": many[:32]})) == 32
        with pytest.raises(UnusableKey, match="more than 32 keys"):
            keys_of({"keys": many})

    def test_two_usable_keys_of_one_name_are_refused(self) -> None:
        with pytest.raises(UnusableKey, match="one name"):
            keys_of(key_set(key("a"), key("a", "ES256")))
        nameless = {n: v for n, v in key("a").public.to_jwk().items() if n != "kid"}
        assert len(keys_of({"keys": [nameless, nameless]})) == 2
        other = {**key("a", "ES256").public.to_jwk(), "use": "enc"}
        assert len(keys_of(key_set(key("a"), other))) == 1

    @settings(deadline=None)
    @given(
        kind=st.sampled_from(["EdDSA", "ES256", "RS256"]),
        other=st.dictionaries(
            st.sampled_from(["kty", "alg", "use", "key_ops", "kid", "crv", "x", "y", "n", "e"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=9)
            | st.binary(max_size=300).map(b64)
            | st.lists(st.text(max_size=6), max_size=2)
            | st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "sig", "verify"]),
            min_size=1,
        ),
    )
    def test_whatever_a_set_holds_only_good_keys_come_out(
        self, kind: str, other: dict[str, Any]
    ) -> None:
        jwk = {**key("a", kind).public.to_jwk(), **other}
        try:
            (read,) = keys_of({"keys": [jwk]})
        except UnusableKey:
            return
        assert read.algorithm in {"EdDSA", "ES256", "RS256", "PS256"}
        assert VerifyKey.from_jwk(read.to_jwk()).to_jwk() == read.to_jwk()


@pytest.mark.asyncio
class TestKeeping:
    async def test_keys_are_fetched_once_and_kept_for_ten_minutes(self) -> None:
        remote = Remote(key("a"))
        for _ in range(100):
            assert await remote.believes(token(key("a")))
        assert len(remote.source.asked) == 1
        remote.clock.now += 599
        assert await remote.believes(token(key("a")))
        assert len(remote.source.asked) == 1
        remote.clock.now += 1
        assert await remote.believes(token(key("a")))
        assert len(remote.source.asked) == 2

    async def test_a_key_that_was_withdrawn_is_believed_no_longer(self) -> None:
        remote = Remote(key("a"), key("b", "ES256"))
        assert await remote.believes(token(key("b", "ES256")))
        remote.source.documents[URL] = key_set(key("a"))
        remote.clock.now += 600
        assert not await remote.believes(token(key("b", "ES256")))
        assert await remote.believes(token(key("a")))

    async def test_a_new_key_is_found_at_once(self) -> None:
        remote = Remote(key("a"))
        assert await remote.believes(token(key("a")))
        remote.source.documents[URL] = key_set(key("a"), key("b", "ES256"))
        remote.clock.now += 30
        assert await remote.believes(token(key("b", "ES256")))
        assert len(remote.source.asked) == 2

    async def test_many_unknown_names_share_one_fetch_per_period(self) -> None:
        remote = Remote(key("a"))
        assert await remote.believes(token(key("a")))
        for period in range(1, 4):
            remote.clock.now += 30
            answers = await asyncio.gather(
                *(remote.believes(token(key(f"{period}-{one}"))) for one in range(200))
            )
            assert not any(answers)
            assert len(remote.source.asked) == 1 + period
            remote.clock.now += 29
            assert not await remote.believes(token(key("late")))
            assert len(remote.source.asked) == 1 + period
            remote.clock.now -= 29

    async def test_a_first_crowd_shares_one_fetch(self) -> None:
        remote = Remote(key("a"))
        remote.source.gate = asyncio.Event()
        crowd = [asyncio.create_task(remote.believes(token(key("a")))) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        remote.source.gate.set()
        assert all(await asyncio.gather(*crowd))
        assert len(remote.source.asked) == 1

    @pytest.mark.parametrize("leaver", [0, 1, 9])
    async def test_who_stops_waiting_does_not_stop_the_others(self, leaver: int) -> None:
        remote = Remote(key("a"))
        remote.source.gate = asyncio.Event()
        crowd = [asyncio.create_task(remote.believes(token(key("a")))) for _ in range(10)]
        await remote.source.reached.wait()
        crowd[leaver].cancel()
        with pytest.raises(asyncio.CancelledError):
            await crowd[leaver]
        remote.source.gate.set()
        del crowd[leaver]
        assert all(await asyncio.gather(*crowd))
        assert len(remote.source.asked) == 1

    async def test_even_when_all_stop_waiting_the_fetch_was_not_in_vain(self) -> None:
        remote = Remote(key("a"))
        remote.source.gate = asyncio.Event()
        waiting = asyncio.create_task(remote.believes(token(key("a"))))
        await remote.source.reached.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        remote.source.gate.set()
        assert await remote.believes(token(key("a")))
        assert len(remote.source.asked) == 1

    async def test_known_keys_outlive_their_source_and_unknown_ones_are_unavailable(self) -> None:
        remote = Remote(key("a"))
        assert await remote.believes(token(key("a")))
        remote.source.down = True
        for _ in range(100):
            remote.clock.now += 41.9  # to the last of the 70 minutes
            assert await remote.believes(token(key("a")))
            with pytest.raises(Unavailable) as refused:
                await remote.believes(token(key("b", "ES256")))
            assert not isinstance(refused.value, OutboundError)
            assert refused.value.retry_after_s is not None
            assert 1 <= refused.value.retry_after_s <= 30
        remote.clock.now += 20
        with pytest.raises(Unavailable):
            await remote.believes(token(key("a")))

    async def test_what_is_no_token_of_ours_is_refused_and_not_unavailable(self) -> None:
        remote = Remote(key("a"))
        assert await remote.believes(token(key("a")))
        remote.source.down = True
        remote.clock.now += 40
        sign = signer("EdDSA", pair("EdDSA").private)
        for header in (
            {"alg": "none", "kid": "b"},
            {"alg": "HS256", "kid": "b"},
            {"alg": "ES256", "kid": "a"},
            {"alg": "EdDSA", "kid": "k" * 256},
            {"alg": "EdDSA", "kid": 7},
        ):
            assert not await remote.believes(forged(header, {}, sign))
        assert not await remote.believes("x.y.z")
        assert len(remote.source.asked) == 1

    async def test_it_heals_by_itself(self) -> None:
        remote = Remote(key("a"))
        remote.source.down = True
        with pytest.raises(Unavailable):
            await remote.believes(token(key("a")))
        remote.source.down = False
        remote.clock.now += 29.9
        with pytest.raises(Unavailable):
            await remote.believes(token(key("a")))
        remote.clock.now += 0.1
        assert await remote.believes(token(key("a")))
        assert len(remote.source.asked) == 2

    async def test_nobody_waits_for_a_source_that_is_known_to_be_down(self) -> None:
        remote = Remote(key("a"))
        assert await remote.believes(token(key("a")))
        remote.source.down = True
        remote.clock.now += 600
        assert await remote.believes(token(key("a")))
        remote.clock.now += 30
        remote.source.gate = asyncio.Event()  # now it hangs
        assert await asyncio.wait_for(remote.believes(token(key("a"))), 1)
        await asyncio.sleep(0)
        assert len(remote.source.asked) == 3
        remote.source.down = False
        remote.source.gate.set()
        await asyncio.sleep(0.01)
        remote.source.documents[URL] = key_set(key("b", "ES256"))
        remote.clock.now += 30
        assert await remote.believes(token(key("b", "ES256")))

    async def test_a_bad_key_set_counts_as_a_source_that_is_down(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        remote = Remote(key("a"))
        assert await remote.believes(token(key("a")))
        remote.source.documents[URL] = key_set(key("a"), key("a", "ES256"))
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                remote.clock.now += 600
                assert await remote.believes(token(key("a")))
        assert [one.getMessage() for one in caplog.records] == [
            "a source is down: cannot use id.example: its key set is none to use"
        ]

    async def test_a_fetch_sees_nothing_of_the_request_that_began_it(self) -> None:
        import contextvars

        who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
        seen: list[str] = []

        class Looking(Source):
            async def get_json(self, url: str, **options: Any) -> dict[str, object]:
                seen.append(who.get())
                return await super().get_json(url, **options)

        source = JwksSource(URL, Looking(key("a")))
        who.set("ann")
        assert await source.keys()
        assert seen == ["nobody"]

    async def test_a_loop_that_ended_within_a_fetch_does_not_block_the_next(self) -> None:
        remote = Remote(key("a"))

        def first() -> None:
            async def leave() -> None:
                remote.source.gate = asyncio.Event()
                asyncio.get_running_loop().call_later(0.01, stop.set)
                task = asyncio.create_task(remote.believes(token(key("a"))))
                await stop.wait()
                assert not task.done()

            stop = asyncio.Event()
            asyncio.run(leave())

        await asyncio.to_thread(first)
        remote.source.gate = None
        remote.clock.now += 30
        assert await remote.believes(token(key("a")))

    async def test_keys_rotate_under_traffic_without_a_failed_request(self) -> None:
        """The whole of a rotation: publish, sign with the new key, withdraw the old one."""
        old, new = key("old"), key("new", "ES256")
        remote = Remote(old)
        served = 0
        signing = old
        for second in range(3600):
            remote.clock.now += 1
            if second == 600:
                remote.source.documents[URL] = key_set(old, new)
            if second == 1200:
                signing = new
            if second == 2400:  # the last old token has ended long ago
                remote.source.documents[URL] = key_set(new)
            assert await remote.believes(token(signing)), second
            served += 1
        assert served == 3600
        assert not await remote.believes(token(old))
        assert len(remote.source.asked) <= 3600 // 600 + 1

    async def test_even_a_key_that_signs_before_it_is_noticed_is_found(self) -> None:
        old, new = key("old"), key("new", "ES256")
        remote = Remote(old)
        assert await remote.believes(token(old))
        remote.clock.now += 31
        remote.source.documents[URL] = key_set(new)
        answers = await asyncio.gather(*(remote.believes(token(new)) for _ in range(50)))
        assert all(answers)
        assert len(remote.source.asked) == 2


@pytest.mark.asyncio
class TestLimits:
    @pytest.mark.parametrize(
        "behave",
        [
            json_of(b'{"keys":[]}' + b" " * JWKS_BYTES),
            json_of(json.dumps({"keys": [{}] * 33}).encode()),
            json_of(b"{}"),
            json_of(b"<html>"),
            saying("HTTP/1.1 302 Found\nlocation: https://id.example/\ncontent-length: 0"),
            saying("HTTP/1.1 500 No\ncontent-length: 0"),
            saying("HTTP/1.1 200 OK\ncontent-length: 100", b"{"),
        ],
        ids=["bytes", "number", "no set", "html", "redirect", "status", "broken off"],
    )
    async def test_a_key_set_over_its_limits_is_refused(self, behave: Behaviour) -> None:
        async with hostile(behave) as server:
            source = JwksSource(server.url("/keys"), Outbound(allow_private=True))
            with pytest.raises(Unavailable) as refused:
                await source.keys()
        assert isinstance(refused.value.__cause__, OutboundError)

    async def test_a_slow_one_too(self) -> None:
        async def behave(writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(30)

        async with hostile(behave) as server:
            source = JwksSource(server.url(), Outbound(allow_private=True, total_s=0.2))
            with pytest.raises(Unavailable) as refused:
                await source.keys()
        assert isinstance(refused.value.__cause__, OutboundError)
        assert refused.value.__cause__.reason is Reason.SLOW

    async def test_a_good_one_is_read_from_a_real_server(self) -> None:
        async with hostile(json_of(json.dumps(key_set(key("a"))).encode())) as server:
            source = JwksSource(server.url("/keys"), Outbound(allow_private=True))
            verifier = JwksVerifier(source, PROFILE, clock=lambda: NOW)
            assert (await verifier.verify(token(key("a"))))["sub"] == "7"


class TestBuilding:
    @pytest.mark.parametrize(
        "url", ["", "x", "http://id.example/keys", "ftp://id.example/", "https://", "//id.example"]
    )
    def test_keys_are_fetched_over_https(self, url: str) -> None:
        with pytest.raises(UnusableKey, match="https"):
            JwksSource(url, Source())
        with pytest.raises(UnusableKey, match="https"):
            JwksSource.discovered(url, Source())

    @pytest.mark.parametrize("algorithm", ["HS256", "none", "RS512", ""])
    def test_no_algorithm_but_those_of_key_pairs(self, algorithm: str) -> None:
        with pytest.raises(UnusableKey, match="published keys"):
            JwksSource(URL, Source(), algorithms=[algorithm])

    def test_published_keys_need_an_issuer_and_an_audience(self) -> None:
        with pytest.raises(UnusableKey, match="give the issuer and the audience"):
            JwksVerifier(JwksSource(URL, Source()), Profile())

    def test_secure_is_https_or_this_machine(self) -> None:
        for url, secure in (
            ("https://a.example/x", True),
            ("http://127.0.0.1:80/", True),
            ("http://[::1]/", True),
            ("http://localhost/", True),
            ("http://a.example/", False),
            ("http://127.0.0.1.a.example/", False),
            ("https:///x", False),
            ("https://[", False),
            (None, False),
            (7, False),
        ):
            assert is_secure(url) is secure, url


METADATA = "https://id.example/.well-known/openid-configuration"


def metadata(**other: Any) -> dict[str, Any]:
    return {"issuer": ISSUER, "jwks_uri": URL, "token_endpoint": f"{ISSUER}/token", **other}


@pytest.mark.asyncio
class TestDiscovery:
    async def test_the_metadata_of_the_issuer_is_returned(self) -> None:
        source = Source()
        source.documents[METADATA] = metadata(scopes_supported=["openid"])
        assert (await discover(ISSUER, source))["scopes_supported"] == ["openid"]

    @pytest.mark.parametrize(
        ("other", "reason"),
        [
            ({"issuer": f"{ISSUER}/"}, Reason.ISSUER),
            ({"issuer": "https://evil.example"}, Reason.ISSUER),
            ({"issuer": None}, Reason.ISSUER),
            ({"issuer": [ISSUER]}, Reason.ISSUER),
            ({"jwks_uri": None}, Reason.ENDPOINT),
            ({"jwks_uri": "http://id.example/keys"}, Reason.ENDPOINT),
            ({"jwks_uri": [URL]}, Reason.ENDPOINT),
            ({"jwks_uri": ""}, Reason.ENDPOINT),
            ({"token_endpoint": "http://id.example/token"}, Reason.ENDPOINT),
            ({"authorization_endpoint": "javascript:alert(1)"}, Reason.ENDPOINT),
            ({"userinfo_endpoint": 7}, Reason.ENDPOINT),
            ({"end_session_endpoint": "//id.example"}, Reason.ENDPOINT),
        ],
        ids=str,
    )
    async def test_metadata_that_is_not_to_be_believed(
        self, other: dict[str, Any], reason: Reason
    ) -> None:
        source = Source()
        source.documents[METADATA] = metadata(**other)
        with pytest.raises(OutboundError) as refused:
            await discover(ISSUER, source)
        assert refused.value.reason is reason

    async def test_an_issuer_with_a_path_is_asked_below_it(self) -> None:
        for issuer in ("https://id.example/realms/shop", "https://id.example/realms/shop/"):
            source = Source()
            place = "https://id.example/realms/shop/.well-known/openid-configuration"
            source.documents[place] = metadata(issuer=issuer)
            assert (await discover(issuer, source))["issuer"] == issuer

    async def test_only_secure_issuers_are_asked(self) -> None:
        source = Source()
        with pytest.raises(OutboundError):
            await discover("http://id.example", source)
        assert source.asked == []

    async def test_keys_move_with_the_metadata(self) -> None:
        clock, source = Clock(), Source(key("a"))
        source.documents[METADATA] = metadata()
        verifier = JwksVerifier(
            JwksSource.discovered(ISSUER, source, clock=clock), PROFILE, clock=lambda: NOW
        )
        assert await verifier.verify(token(key("a")))
        assert source.asked == [METADATA, URL]
        source.documents[METADATA] = metadata(jwks_uri=f"{URL}/new")
        source.documents[f"{URL}/new"] = key_set(key("b", "ES256"))
        clock.now += 30
        assert await verifier.verify(token(key("b", "ES256")))
        assert source.asked[2:] == [METADATA, f"{URL}/new"]


def test_the_fake_speaks_the_port() -> None:
    fakes: list[Callable[..., Any]] = [Source().get_json, Outbound().get_json]
    assert len({str(one.__annotations__) for one in fakes}) == 1


def test_a_key_set_of_ours_is_one_to_read() -> None:
    assert isinstance(keys_of(key_set(key("a")))[0], VerifyKey)

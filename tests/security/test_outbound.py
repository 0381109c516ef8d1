"""Hostile servers: whatever they do, there is an answer within the limits or one kind of error."""

import asyncio
import gzip
import ipaddress
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nexios.adapters.security.outbound import Outbound, OutboundError, Reason, is_public
from nexios.application.errors import Unavailable
from tests.support.hostile import Behaviour, certified, hostile, json_of, saying

pytestmark = pytest.mark.asyncio


def outbound(**options: Any) -> Outbound:
    return Outbound(**{"allow_private": True, **options})


async def refusal(behave: Behaviour, **options: Any) -> Reason:
    async with hostile(behave) as server:
        with pytest.raises(OutboundError) as refused:
            await outbound(**options).get_json(server.url())
    assert isinstance(refused.value, Unavailable)
    assert refused.value.message == "a service this needs is not available"
    return refused.value.reason


class TestAnswers:
    async def test_a_json_object_is_returned_and_only_plain_bytes_are_asked_for(self) -> None:
        async with hostile(json_of(b'{"keys":[]}')) as server:
            assert await outbound().get_json(server.url("/a?b=c")) == {"keys": []}
        head = server.heads[0].lower()
        assert head.startswith("get /a?b=c http/1.1\r\n")
        assert f"host: 127.0.0.1:{server.port}\r\n" in head
        assert "accept-encoding: identity\r\n" in head
        assert "accept: application/json\r\n" in head

    async def test_any_answer_of_a_request_is_an_answer(self) -> None:
        behave = saying("HTTP/1.1 401 No\nX-A: 1\nx-a: 2\ncontent-length: 2", b"no")
        async with hostile(behave) as server:
            answer = await outbound().request(
                "POST", server.url(), headers={"x-b": "3"}, content=b"body"
            )
        assert (answer.status, answer.body, answer.headers["x-a"]) == (401, b"no", "1, 2")
        assert "content-length: 4\r\n" in server.heads[0].lower()
        assert "x-b: 3\r\n" in server.heads[0]

    async def test_each_request_has_a_connection_of_its_own(self) -> None:
        async with hostile(json_of(b"{}")) as server:
            asked = outbound()
            await asked.get_json(server.url())
            await asked.get_json(server.url())
        assert server.connections == 2

    @pytest.mark.parametrize("size", [-1, 0])
    async def test_an_answer_at_the_limit_is_read(self, size: int) -> None:
        body = b'{"a":"' + b"x" * (1000 - 8) + b'"}'
        for behave in (json_of(body), saying("HTTP/1.1 200 OK\nconnection: close", body)):
            async with hostile(behave) as server:
                got = await outbound(max_bytes=len(body) - size).get_json(server.url())
        assert len(str(got["a"])) == 992


class TestHostility:
    async def test_too_big_by_its_own_word(self) -> None:
        async def behave(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 262145\r\n\r\n")
            await asyncio.sleep(30)

        started = time.monotonic()
        assert await refusal(behave) is Reason.TOO_BIG
        assert time.monotonic() - started < 2

    @pytest.mark.parametrize("field", ["connection: close", "transfer-encoding: chunked"])
    async def test_too_big_while_it_comes(self, field: str) -> None:
        sent = 0

        async def behave(writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(f"HTTP/1.1 200 OK\r\n{field}\r\n\r\n".encode())
            part = b"x" * 65536
            for _ in range(2000):
                writer.write(b"10000\r\n" + part + b"\r\n" if "chunked" in field else part)
                await writer.drain()
                sent += len(part)

        assert await refusal(behave, max_bytes=100_000) is Reason.TOO_BIG
        assert sent < 50 * 2**20  # what the buffers of both sides hold, not all 131 MB

    async def test_a_bomb_is_not_unpacked(self) -> None:
        bomb = gzip.compress(b"[" + b"0," * 5_000_000 + b"0]")
        head = f"HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: {len(bomb)}"
        assert await refusal(saying(head, bomb)) is Reason.ENCODED

    async def test_a_silent_server(self) -> None:
        async def behave(writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(30)

        started = time.monotonic()
        assert await refusal(behave, total_s=0.3) is Reason.SLOW
        assert time.monotonic() - started < 2

    @pytest.mark.parametrize("start", ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n{", "H"])
    async def test_a_drop_at_a_time(self, start: str) -> None:
        async def behave(writer: asyncio.StreamWriter) -> None:
            writer.write(start.encode())
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.02)

        started = time.monotonic()
        assert await refusal(behave, total_s=0.4) is Reason.SLOW
        assert 0.3 < time.monotonic() - started < 2

    async def test_interim_answers_without_end(self) -> None:
        async def behave(writer: asyncio.StreamWriter) -> None:
            while True:
                writer.write(b"HTTP/1.1 103 Early\r\nlink: </x>\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.005)

        assert await refusal(behave, total_s=0.3) is Reason.SLOW

    async def test_a_redirect_is_not_followed(self) -> None:
        async with hostile(json_of(b"{}")) as other:
            behave = saying(f"HTTP/1.1 302 Found\nlocation: {other.url()}\ncontent-length: 0")
            assert await refusal(behave) is Reason.STATUS
        assert other.connections == 0

    @pytest.mark.parametrize("status", [201, 204, 301, 307, 404, 500])
    async def test_every_other_status_is_no_document(self, status: int) -> None:
        assert await refusal(saying(f"HTTP/1.1 {status} X\ncontent-length: 0")) is Reason.STATUS

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"<html></html>",
            b'{"a":1,"a":2}',
            b'{"a":NaN}',
            b'{"a":"\\u0000"}',
            b'{"a":"\\ud800"}',
            b"\xff\xfe{}",
            b"[" * 100_000,
            b'{"a":' + b"9" * 10_000 + b"}",
        ],
        ids=lambda body: repr(body[:12]),
    )
    async def test_what_is_no_strict_json_object(self, body: bytes) -> None:
        assert await refusal(json_of(body)) is Reason.MALFORMED

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
            b"HTTP/1.1 200 OK\r\nx",
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"x-a: " + b"b" * 300_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        ],
        ids=lambda raw: repr(raw[:48]),
    )
    async def test_broken_off_or_no_http(self, raw: bytes) -> None:
        async def behave(writer: asyncio.StreamWriter) -> None:
            writer.write(raw)
            await writer.drain()

        assert await refusal(behave) is Reason.UNREACHABLE

    async def test_nobody_listens(self) -> None:
        async with hostile(json_of(b"{}")) as server:
            pass
        with pytest.raises(OutboundError) as refused:
            await outbound().get_json(server.url())
        assert refused.value.reason is Reason.UNREACHABLE

    async def test_the_error_holds_no_text_of_the_server(self) -> None:
        async with hostile(saying("HTTP/1.1 500 s3cret\nx: s3cret", b"s3cret")) as server:
            with pytest.raises(OutboundError) as refused:
                await outbound().get_json(server.url())
        error = refused.value
        assert "s3cret" not in f"{error} {error!r} {error.details} {error.__cause__}"
        assert str(error) == "cannot use 127.0.0.1: it answered with another status than 200"

    async def test_no_proxy_of_the_environment_is_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with hostile(json_of(b'{"from":"proxy"}')) as proxy:
            for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url())
            async with hostile(json_of(b'{"from":"server"}')) as server:
                assert await outbound().get_json(server.url()) == {"from": "server"}
                async with httpx2.AsyncClient(transport=outbound().transport()) as client:
                    assert (await client.get(server.url())).json() == {"from": "server"}
        assert proxy.connections == 0


def resolving(*addresses: str, asked: list[tuple[str, int]] | None = None) -> Any:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if asked is not None:
            asked.append((host, port))
        return addresses

    return resolve


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255",
            "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.0.170",
            "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
            "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1",
            "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1", "::7f00:1",
            "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:a00:1::1",
            "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1",
            "fe80::1%lo", "fec0::1", "ff02::1", "ff0e::1",
        ],
    )  # fmt: skip
    async def test_no_host_of_a_private_address_is_connected_to(self, address: str) -> None:
        for found in ((address,), ("93.184.215.14", address), (address, "2606:4700::1111")):
            started = time.monotonic()
            asked = Outbound(resolve=resolving(*found), connect_s=30, total_s=30)
            with pytest.raises(OutboundError) as refused:
                await asked.get_json("https://inside.example/")
            assert refused.value.reason is Reason.ADDRESS
            assert time.monotonic() - started < 1

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "017700000001",
            "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "0.0.0.0", "[::]",
            "localhost.",
        ],
    )  # fmt: skip
    async def test_no_spelling_of_loopback_is_connected_to(self, host: str) -> None:
        async with hostile(json_of(b"{}")) as server:
            with pytest.raises(OutboundError) as refused:
                await Outbound().get_json(server.url(scheme="https", host=host))
        assert refused.value.reason in {Reason.ADDRESS, Reason.UNREACHABLE}
        assert server.connections == 0

    @pytest.mark.parametrize(
        "address", ["93.184.215.14", "1.1.1.1", "223.255.255.1", "2606:4700::1111", "2a00::1"]
    )
    async def test_public_addresses_are_not_refused_for_what_they_are(self, address: str) -> None:
        assert is_public(ipaddress.ip_address(address))

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("http://outside.example/", Reason.SCHEME),
            ("ftp://outside.example/", Reason.SCHEME),
            ("file:///etc/passwd", Reason.SCHEME),
            ("//outside.example/", Reason.SCHEME),
            ("", Reason.SCHEME),
            ("https://", Reason.URL),
            ("https:///x", Reason.URL),
            ("https://outside.example:99999/", Reason.URL),
            ("https://outside\x00.example/", Reason.URL),
            ("https://[::1/", Reason.URL),
            ("https://outside.example/" + "a" * 70_000, Reason.URL),
        ],
    )
    async def test_only_https_urls_are_asked(self, url: str, reason: Reason) -> None:
        resolved: list[tuple[str, int]] = []
        asked = Outbound(resolve=resolving("93.184.215.14", asked=resolved))
        with pytest.raises(OutboundError) as refused:
            await asked.get_json(url)
        assert refused.value.reason is reason
        assert resolved == []

    async def test_plain_http_is_for_loopback_only(self) -> None:
        asked = outbound(resolve=resolving("10.0.0.1"))
        with pytest.raises(OutboundError) as refused:
            await asked.get_json("http://inside.example/")
        assert refused.value.reason is Reason.SCHEME

    @pytest.mark.parametrize("found", [(), ("no address",), ("1.2.3.4.5",)])
    async def test_a_name_without_an_address(self, found: tuple[str, ...]) -> None:
        with pytest.raises(OutboundError) as refused:
            await Outbound(resolve=resolving(*found)).get_json("https://nowhere.example/")
        assert refused.value.reason is Reason.UNREACHABLE

    async def test_names_no_resolver_takes(self) -> None:
        for host in ("nowhere.invalid", "a" * 64 + ".example", "a..b"):
            with pytest.raises(OutboundError) as refused:
                await Outbound().get_json(f"https://{host}/")
            assert refused.value.reason in {Reason.UNREACHABLE, Reason.URL, Reason.SLOW}

    async def test_a_slow_resolver_is_within_the_time_to_connect(self) -> None:
        async def resolve(host: str, port: int) -> Sequence[str]:
            await asyncio.sleep(30)
            return []

        started = time.monotonic()
        with pytest.raises(OutboundError) as refused:
            await Outbound(resolve=resolve, connect_s=0.1).get_json("https://slow.example/")
        assert refused.value.reason is Reason.SLOW
        assert time.monotonic() - started < 2

    async def test_the_next_address_is_tried(self) -> None:
        async with hostile(json_of(b'{"a":1}')) as server:
            # Nobody listens at the second loopback address.
            asked = outbound(resolve=resolving("127.0.0.2", "127.0.0.1"))
            assert await asked.get_json(server.url(host="shop.example")) == {"a": 1}


class TestNames:
    async def test_what_was_checked_is_connected_to_and_tls_and_host_keep_the_name(
        self, tmp_path: Path
    ) -> None:
        server_tls, client_tls = certified("shop.example", tmp_path)
        named: list[str | None] = []
        server_tls.sni_callback = lambda _, name, __: named.append(name)
        resolved: list[tuple[str, int]] = []
        async with hostile(json_of(b'{"a":1}'), server_tls) as server:
            asked = outbound(tls=client_tls, resolve=resolving("127.0.0.1", asked=resolved))
            url = server.url("/keys", scheme="https", host="shop.example")
            assert await asked.get_json(url) == {"a": 1}
        assert resolved == [("shop.example", server.port)]
        assert named == ["shop.example"]
        assert f"host: shop.example:{server.port}\r\n" in server.heads[0].lower()

    async def test_another_name_or_an_unknown_authority_is_not_believed(
        self, tmp_path: Path
    ) -> None:
        server_tls, client_tls = certified("shop.example", tmp_path)
        resolve = resolving("127.0.0.1")
        for host, tls in (("evil.example", client_tls), ("shop.example", None)):
            async with hostile(json_of(b"{}"), server_tls) as server:
                with pytest.raises(OutboundError) as refused:
                    await outbound(tls=tls, resolve=resolve).get_json(
                        server.url(scheme="https", host=host)
                    )
            assert refused.value.reason is Reason.UNREACHABLE
            assert server.heads == []


class TestTransport:
    async def test_a_client_of_ones_own_gets_the_rules(self) -> None:
        transport = outbound(max_bytes=1000, total_s=0.3).transport()
        assert isinstance(transport, httpx2.AsyncBaseTransport)
        async with httpx2.AsyncClient(transport=transport) as client:
            async with hostile(json_of(json.dumps({"a": 1}).encode())) as server:
                answer = await client.post(server.url(), data={"grant_type": "x"})
                assert answer.json() == {"a": 1}
                assert answer.request.url.host == "127.0.0.1"
            async with hostile(json_of(b"x" * 1001)) as server:
                with pytest.raises(OutboundError) as refused:
                    await client.get(server.url())
                assert refused.value.reason is Reason.TOO_BIG
            with pytest.raises(OutboundError):
                await client.get("http://outside.example/")

    async def test_a_redirect_is_an_answer_and_each_that_is_followed_is_checked(self) -> None:
        behave = saying("HTTP/1.1 302 Found\nlocation: ftp://x.example/\ncontent-length: 0")
        async with hostile(behave) as server:
            async with httpx2.AsyncClient(transport=outbound().transport()) as client:
                assert (await client.get(server.url())).status_code == 302
            async with httpx2.AsyncClient(
                transport=outbound().transport(), follow_redirects=True
            ) as client:
                with pytest.raises((OutboundError, httpx2.UnsupportedProtocol)):
                    await client.get(server.url())

    async def test_the_oauth_client_takes_it(self) -> None:
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        body = b'{"access_token":"a","token_type":"Bearer","expires_in":60}'
        head = f"HTTP/1.1 200 OK\ncontent-type: application/json\ncontent-length: {len(body)}"
        async with (
            hostile(saying(head, body)) as server,
            AsyncOAuth2Client(
                "id", "secret", transport=outbound().transport(), trust_env=False
            ) as client,
        ):
            token = await client.fetch_token(server.url("/token"), code="c")
        assert token["access_token"] == "a"
        assert (
            "authorization: Basic" in server.heads[0]
            or "Authorization: Basic" in (server.heads[0])
        )


async def test_a_cancelled_request_leaves_nothing_open() -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def behave(writer: asyncio.StreamWriter) -> None:
        asked.set()
        try:
            while True:
                writer.write(b"HTTP/1.1 103 Early\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    async with hostile(behave) as server:
        task = asyncio.create_task(outbound().get_json(server.url()))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 5)

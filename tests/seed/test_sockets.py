"""Snippet 5: a channel of sockets, behind a real server."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from examples.seed_page.sockets import app
from tests.support.server import serving


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(app) as address:
        yield f"ws://{address}/ws/chat"


def say(client: ClientConnection, message: Any) -> None:
    client.send(json.dumps(message))


def hear(client: ClientConnection) -> Any:
    return json.loads(client.recv(timeout=10))


def entered(client: ClientConnection, name: str) -> None:
    """Wait until the channel knows this client: it hears itself."""
    say(client, name)
    while hear(client)["message"] != name:
        pass


def test_two_clients_hear_each_other(address: str) -> None:
    with connect(f"{address}/blue") as one, connect(f"{address}/blue") as two:
        entered(one, "one is here")
        entered(two, "two is here")
        assert hear(one) == {"room": "blue", "message": "two is here"}

        say(one, {"text": "hello", "number": 1})
        expected = {"room": "blue", "message": {"text": "hello", "number": 1}}
        assert hear(one) == expected
        assert hear(two) == expected


def test_who_leaves_does_not_disturb_the_others(address: str) -> None:
    with connect(f"{address}/blue") as one:
        entered(one, "one is here")
        with connect(f"{address}/blue") as two:
            entered(two, "two is here")
        assert hear(one)["message"] == "two is here"
        for number in range(20):
            say(one, number)
        assert [hear(one)["message"] for _ in range(20)] == list(range(20))


def test_who_dies_without_a_word_does_not_disturb_the_others(address: str) -> None:
    with connect(f"{address}/blue") as one:
        entered(one, "one is here")
        with connect(f"{address}/blue") as two:
            entered(two, "two is here")
            # No closing handshake: the line is cut.
            two.socket.shutdown(socket.SHUT_RDWR)
        assert hear(one)["message"] == "two is here"
        for number in range(20):
            say(one, number)
        assert [hear(one)["message"] for _ in range(20)] == list(range(20))


def test_who_reads_nothing_does_not_stall_the_others(address: str) -> None:
    big = "x" * 50_000
    slow = socket.create_connection(address.removeprefix("ws://").partition("/")[0].split(":"))
    with slow, connect(f"{address}/blue") as one:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(
            b"GET /ws/chat/blue HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert slow.recv(12) == b"HTTP/1.1 101"
        entered(one, "one is here")
        for number in range(100):
            say(one, [number, big])
            assert hear(one)["message"][0] == number


def test_a_message_that_is_no_json_closes_only_its_own_socket(address: str) -> None:
    with connect(f"{address}/blue") as one, connect(f"{address}/blue") as two:
        entered(one, "one is here")
        entered(two, "two is here")
        assert hear(one)["message"] == "two is here"
        for _ in range(3):
            two.send("{")
        say(one, "still here")
        assert hear(one)["message"] == "still here"

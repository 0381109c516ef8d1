"""Two processes of the chat share their rooms by one setting, and one of them is killed."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.balancer import balancing
from tests.support.chromium import Page
from tests.support.running import Running, launched

ROOT = Path(__file__).parents[3]
WAIT_S = 30.0


@pytest.fixture(params=["redis", "nats"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Running, Running]]:
    """Two processes that are told the same server, and nothing of each other."""
    environment = {
        "NEXIOS_REALTIME__BACKPLANE": request.getfixturevalue(f"nexios_{request.param}"),
        "NEXIOS_REALTIME__NAMESPACE": f"t{secrets.token_hex(6)}",
    }
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(
                launched("examples.chat.main:app", ROOT, tmp_path / name, environment)
            )
            for name in ("one", "other")
        )
        yield one, other


@dataclass
class Person:
    """A client as client.js is one, in one room."""

    nick: str
    at: str = ""
    posts: list[tuple[str, str]] = field(default_factory=list)  # id and text
    frames: list[Any] = field(default_factory=list)  # all others

    def enter(self, server: Running) -> ClientConnection:
        place = f"&at=chat/tea@{self.at}" if self.at else ""
        url = f"ws://127.0.0.1:{server.port}/ws/rooms/tea?nick={self.nick}{place}"
        return connect(url, subprotocols=[Subprotocol("nexios.v1")])

    def hear(self, socket: ClientConnection) -> Any:
        """Take one frame."""
        frame = json.loads(socket.recv(timeout=WAIT_S))
        if frame["type"] == "message":
            self.posts.append((frame["id"], frame["data"]["text"]))
        else:
            self.frames.append(frame)
        if "at" in frame:
            self.at = frame["at"]
        return frame

    def hear_until(self, socket: ClientConnection, kind: str, count: int = 1) -> Any:
        """Take frames until so many of a kind came; return the last."""
        while True:
            frame = self.hear(socket)
            count -= frame["type"] == kind
            if count == 0:
                return frame

    def hear_text(self, socket: ClientConnection, text: str) -> None:
        """Take frames until somebody has said this."""
        while not self.posts or self.posts[-1][1] != text:
            self.hear(socket)

    def count(self, kind: str) -> int:
        return sum(frame["type"] == kind for frame in self.frames)


def say(socket: ClientConnection, text: str, id: str) -> None:
    socket.send(json.dumps({"type": "message", "id": id, "data": {"text": text}}))


def present(server: Running) -> list[str]:
    with urlopen(f"http://127.0.0.1:{server.port}/rooms/tea/present", timeout=WAIT_S) as answer:
        return sorted(one["meta"]["nick"] for one in json.load(answer))


def present_are(server: Running, *nicks: str) -> None:
    """Wait until those are in the room, as this process sees it."""
    until = time.monotonic() + WAIT_S
    while (found := present(server)) != list(nicks):
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_rooms_presence_and_history_are_those_of_both(two: tuple[Running, Running]) -> None:
    one, other = two
    ada, bob, cat = Person("ada"), Person("bob"), Person("cat")
    with ada.enter(one) as at_one, bob.enter(other) as at_other:
        ada.hear_until(at_one, "joined")
        bob.hear_until(at_other, "joined")
        for server in two:
            present_are(server, "ada", "bob")
        say(at_one, "hello bob", "a1")
        bob.hear_text(at_other, "hello bob")
        say(at_other, "hello ada", "b1")
        ada.hear_text(at_one, "hello ada")
        for server in two:
            cat.posts.clear()
            cat.at = ""
            with cat.enter(server) as socket:  # who is new gets what was said before
                cat.hear_until(socket, "message", 2)
                assert cat.posts == ada.posts == [("a1", "hello bob"), ("b1", "hello ada")]
    present_are(one)
    told = [who["meta"]["nick"] for frame in ada.frames for who in frame.get("joined", [])]
    assert "bob" in told


def test_who_was_on_a_process_that_is_killed_misses_nothing_and_hears_nothing_twice(
    two: tuple[Running, Running],
) -> None:
    one, other = two
    ada, bob = Person("ada"), Person("bob")
    over = threading.Event()
    said = 0

    def talk(socket: ClientConnection) -> None:
        nonlocal said
        while not over.is_set():
            say(socket, str(said), f"b{said}")
            said += 1
            time.sleep(0.025)  # the limit is 50 a second
        say(socket, "that is all", "end")

    with bob.enter(other) as at_other:
        bob.hear_until(at_other, "joined")
        with ada.enter(one) as at_one:
            ada.hear_until(at_one, "joined")
            talking = threading.Thread(target=talk, args=(at_other,))
            talking.start()
            ada.hear_until(at_one, "message", 10)
            say(at_one, "heard", "a1")
            ada.hear_until(at_one, "reply")
            say(at_one, "heard by nobody, perhaps", "a2")
            one.process.kill()
            with pytest.raises((ConnectionClosed, OSError)):
                ada.hear_until(at_one, "never")
        time.sleep(0.5)
        with ada.enter(other) as again:
            ada.hear_until(again, "joined")
            say(again, "heard by nobody, perhaps", "a2")  # no reply came: the id is the same
            ada.hear_until(again, "reply")
            over.set()
            talking.join()
            ada.hear_text(again, "that is all")
            bob.hear_text(at_other, "that is all")
            assert "ada" in present(other)
    # From her first on Ada has what Bob has, in the same order, each once.
    assert ada.posts == bob.posts[bob.posts.index(ada.posts[0]) :]
    assert len({name for name, _ in ada.posts}) == len(ada.posts)
    numbers = [text for _, text in ada.posts if text.isdigit()]
    assert numbers == [str(number) for number in range(int(numbers[0]), said)]
    assert {"a1", "a2", "end"} <= {name for name, _ in ada.posts}
    assert ada.count("reset") == bob.count("reset") == 0


def test_a_browser_comes_back_on_the_other_process(
    two: tuple[Running, Running], page: Page
) -> None:
    one, other = two
    bob = Person("Bob")
    with balancing(one.port, other.port) as address, bob.enter(other) as at_other:
        bob.hear_until(at_other, "joined")
        page.goto(f"http://{address}/")
        page.run("document.querySelector('[name=nick]').value = 'Ada'")
        page.run("document.querySelector('[name=room]').value = 'tea'")
        page.run("document.querySelector('#enter button').click()")
        page.wait_for("document.querySelector('#state').textContent === 'in tea as Ada'")
        say(at_other, "are you on the other?", "b1")
        page.wait_for("document.querySelectorAll('#posts li').length === 1")
        one.process.kill()
        page.wait_for("document.querySelector('#state').classList.contains('lost')")
        say(at_other, "are you there?", "b2")
        page.run("document.querySelector('[name=text]').value = 'said while away'")
        page.run("document.querySelector('#say button').click()")
        page.wait_for("document.querySelector('#state').textContent.startsWith('back in tea')")
        bob.hear_text(at_other, "said while away")
        page.wait_for("document.querySelectorAll('#posts li:not(.waiting)').length === 3")
        shown = page.run("[...document.querySelectorAll('#posts li')].map((li) => li.innerText)")
    told = [line.splitlines()[0] for line in shown]
    assert [text.split(" ", 1)[0] for text in told] == ["Bob", "Bob", "Ada"]
    assert "are you there?" in told[1]
    assert "said while away" in told[2]

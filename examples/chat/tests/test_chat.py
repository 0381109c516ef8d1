"""The chat: its rules, its sockets, and two people in a real browser."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect

from examples.chat.application.rooms import Rooms
from examples.chat.domain.post import Nick, Post, RoomName
from examples.chat.main import make_app
from nexios.domain import InvalidValue
from tests.support.chromium import Page
from tests.support.server import serving

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Noon:
    def now(self) -> datetime:
        return NOON


class Told:
    """A feed that keeps what it was given."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Post, str]] = []

    async def tell(self, room: RoomName, post: Post, *, id: str) -> None:
        self.told.append((str(room), post, id))


@pytest.mark.asyncio
async def test_what_is_said_is_told_to_the_room() -> None:
    feed = Told()
    post = await Rooms(feed, Noon()).say(RoomName("tea"), Nick("Ada"), " hello ", id="1")
    assert post == Post(Nick("Ada"), "hello", NOON)
    assert feed.told == [("tea", post, "1")]


@pytest.mark.parametrize("name", ["", "Tea", "a b", "-a", "a" * 33, "../x"])
def test_a_room_has_a_plain_name(name: str) -> None:
    with pytest.raises(InvalidValue):
        RoomName(name)


@pytest.mark.parametrize("text", ["", "   ", "x" * 501])
def test_a_post_is_neither_empty_nor_too_long(text: str) -> None:
    with pytest.raises(InvalidValue):
        Post(Nick("Ada"), text, NOON)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(make_app(limits={"sockets_per_address": None})) as at:
        yield at


def enter(address: str, room: str, nick: str, at: str = "") -> ClientConnection:
    place = f"&at={at}" if at else ""
    url = f"ws://{address}/ws/rooms/{room}?nick={nick}{place}"
    return connect(url, subprotocols=["nexios.v1"])  # type: ignore[list-item]  # a NewType of str


def heard(socket: ClientConnection, kind: str) -> Any:
    """Return the next frame of a kind."""
    while True:
        frame = json.loads(socket.recv(timeout=20))
        if frame["type"] == kind:
            return frame


def said(socket: ClientConnection, text: str, id: str) -> None:
    socket.send(json.dumps({"type": "message", "id": id, "data": {"text": text}}))


def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_twice(address: str) -> None:
    with enter(address, "resume", "bob") as bob:
        heard(bob, "joined")
        with enter(address, "resume", "ada") as ada:
            heard(ada, "joined")
            said(bob, "one", "b1")
            at = heard(ada, "message")["at"]
        said(bob, "two", "b2")
        said(bob, "two", "b2")  # as after a cut line
        said(bob, "three", "b3")
        for ref in ("b1", "b2", "b2", "b3"):
            assert heard(bob, "reply")["ref"] == ref
        with enter(address, "resume", "ada", f"chat/resume@{at}") as ada:
            joined = heard(ada, "joined")
            assert (joined["recovered"], joined["replayed"]) == (True, 2)
            texts = [heard(ada, "message")["data"]["text"] for _ in range(2)]
    assert texts == ["two", "three"]


def test_what_cannot_be_said_is_answered_and_the_socket_stays(address: str) -> None:
    with enter(address, "rules", "ada") as ada:
        heard(ada, "joined")
        said(ada, "   ", "a1")
        assert heard(ada, "error")["status"] == 422
        said(ada, "well", "a2")
        assert heard(ada, "reply")["ref"] == "a2"


def test_two_people_talk_in_a_browser_and_one_comes_back_after_a_cut(
    address: str, page: Page, tmp_path: Path
) -> None:
    page.goto(f"http://{address}/")
    page.run("document.querySelector('[name=nick]').value = 'Ada'")
    page.run("document.querySelector('[name=room]').value = 'tea'")
    page.run("document.querySelector('#enter button').click()")
    page.wait_for("document.querySelector('#state').textContent === 'in tea as Ada'")
    assert page.run("getComputedStyle(document.querySelector('#enter')).display") == "none"
    with enter(address, "tea", "Bob") as bob:
        heard(bob, "joined")
        page.wait_for("document.querySelector('#present').innerText.includes('Bob')")
        page.run("document.querySelector('[name=text]').value = 'hello <b>Bob</b>'")
        page.run("document.querySelector('#say button').click()")
        assert heard(bob, "message")["data"]["text"] == "hello <b>Bob</b>"
        said(bob, "hello Ada", "b1")
        page.wait_for("document.querySelectorAll('#posts li:not(.waiting)').length === 2")
        page.run("chat.drop()")
        page.wait_for("document.querySelector('#state').classList.contains('lost')")
        said(bob, "are you there?", "b2")
        page.run("document.querySelector('[name=text]').value = 'said while away'")
        page.run("document.querySelector('#say button').click()")
        page.wait_for("document.querySelector('#state').textContent.startsWith('back in tea')")
        assert heard(bob, "message")["data"]["nick"] == "Bob"  # its own two posts come first
        while heard(bob, "message")["data"]["text"] != "said while away":
            pass
        page.wait_for("document.querySelectorAll('#posts li:not(.waiting)').length === 4")
        page.wait_for("document.querySelector('#present').innerText === 'Ada\\nBob'")
        shown = page.run("[...document.querySelectorAll('#posts li')].map((li) => li.innerText)")
        page.screenshot(tmp_path / "chat.png")
    told = [line.rsplit(" ", 1)[0] if "\n" in line else line for line in shown]
    assert [text.split(" ", 1)[0] for text in told] == ["Ada", "Bob", "Bob", "Ada"]
    assert "hello <b>Bob</b>" in shown[0]
    assert "are you there?" in shown[2]
    page.wait_for("!document.querySelector('#present').innerText.includes('Bob')")
    assert {urlsplit(url).netloc for url in page.requested} == {address}
    assert page.complaints == []


def test_who_is_refused_is_told_why_and_may_try_again(address: str, page: Page) -> None:
    page.goto(f"http://{address}/")
    enter_as(page, "a\u200bb", "refusals")  # looks like a name and is not printable
    page.wait_for(
        "document.querySelector('#state').textContent.startsWith('cannot enter: a name')"
    )
    assert page.run("getComputedStyle(document.querySelector('#enter')).display") != "none"
    enter_as(page, "Ada", "refusals")
    page.wait_for("document.querySelector('#state').textContent === 'in refusals as Ada'")
    with enter(address, "refusals", "Bob") as bob:
        heard(bob, "joined")
        page.run("document.querySelector('[name=text]').value = '   '")
        page.run("document.querySelector('#say button').click()")
        page.wait_for("document.querySelector('#posts').innerText.includes('1 to 500')")
        assert page.run("document.querySelectorAll('#posts li.waiting').length") == 0
        assert page.run("document.querySelector('[name=text]').value") == "   "
        page.run("document.querySelector('[name=text]').value = 'a good one'")
        page.run("document.querySelector('#say button').click()")
        assert heard(bob, "message")["data"]["nick"] == "Ada"


def test_a_reload_comes_back_and_who_leaves_is_gone(address: str, page: Page) -> None:
    page.goto(f"http://{address}/")
    enter_as(page, "Ada", "reload")
    page.wait_for("document.querySelector('#state').textContent === 'in reload as Ada'")
    assert page.run("location.hash") == "#reload"
    page.run("document.querySelector('[name=text]').value = 'before'")
    page.run("document.querySelector('#say button').click()")
    page.wait_for("document.querySelectorAll('#posts li:not(.waiting)').length === 1")
    page.run("window.old = true")
    page.run("location.reload()")
    page.wait_for("!window.old && document.readyState === 'complete'")
    page.wait_for("document.querySelector('#state').textContent === 'in reload as Ada'")
    page.wait_for("document.querySelector('#posts').innerText.includes('before')")
    page.run("document.querySelector('#leave').click()")
    page.wait_for("document.querySelector('#state').textContent === 'not in a room'")
    assert page.run("location.hash") == ""
    with enter(address, "reload", "Bob") as bob:
        heard(bob, "joined")
        page.wait_for(
            "fetch('/rooms/reload/present').then((answer) => answer.json())"
            ".then((found) => found.map((one) => one.meta.nick).join() === 'Bob')"
        )
    enter_as(page, "Ada", "elsewhere")
    page.wait_for("document.querySelector('#state').textContent === 'in elsewhere as Ada'")
    assert page.run("document.querySelector('#posts').innerText") == ""
    assert page.complaints == []


def enter_as(page: Page, nick: str, room: str) -> None:
    page.run(f"document.querySelector('[name=nick]').value = {json.dumps(nick)}")
    page.run(f"document.querySelector('[name=room]').value = {json.dumps(room)}")
    page.run("document.querySelector('#enter button').click()")


def test_the_environment_says_what_carries_it_between_processes() -> None:
    text = "from examples.chat.main import app; print(app.config.realtime.backplane)"
    found = subprocess.run(
        [sys.executable, "-c", text],
        env={"NEXIOS_REALTIME__BACKPLANE": "redis://127.0.0.1:6379", "PATH": ""},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "redis://127.0.0.1:6379"

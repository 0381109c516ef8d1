"""Channels as a real browser meets them: pages of other origins, streams that resume."""

from collections.abc import Iterator

import pytest

from nexios import NexiosApp, Request, Response, WebSocket
from nexios.websockets.channel import Channel
from nexios.websockets.hub import RUNNING
from tests.support.chromium import Page
from tests.support.server import serving

PAGE = "<!doctype html><title>A page</title><link rel=icon href=data:,>"

OPENED = """new Promise((done) => {
  const socket = new WebSocket('ws://%s/ws');
  socket.onopen = () => { socket.close(); done('open'); };
  socket.onerror = () => done('refused');
})"""

LISTEN = """(() => {
  window.heard = []; window.resets = 0; window.begun = 0;
  const source = new EventSource('/events');
  source.onmessage = (event) => heard.push(JSON.parse(event.data).n);
  source.addEventListener('reset', () => resets++);
  source.addEventListener('joined', () => begun++);
})()"""


class Site:
    """An app with a page, a socket and a stream.

    Attributes:
        entered: How often the handler of the socket ran.
    """

    def __init__(self) -> None:
        self.app = NexiosApp()
        self.entered = 0
        chat = Channel[dict[str, int]]("chat")

        @self.app.get("/")
        async def page(request: Request, response: Response) -> Response:
            return response.html(PAGE)

        @self.app.websocket("/ws")
        async def feed(websocket: WebSocket) -> None:
            self.entered += 1
            await chat.connect(websocket)
            await websocket.wait_closed()

        @self.app.get("/events")
        async def events(request: Request, response: Response) -> Response:
            stream = chat.events(after=request.last_event_id)
            return response.sse(stream, retry_ms=100)

        @self.app.post("/say/{number}")
        async def say(request: Request, response: Response, number: int) -> Response:
            await chat.of(self.app).broadcast({"n": number})
            return response.empty()

        @self.app.post("/cut")
        async def cut(request: Request, response: Response) -> Response:
            for stream in tuple(RUNNING.of(self.app, "chat").feeds):
                stream.end()
            return response.empty()


@pytest.fixture
def site() -> Iterator[tuple[Site, str]]:
    site = Site()
    with serving(site.app) as address:
        yield site, address


def test_a_page_of_another_origin_opens_no_socket(site: tuple[Site, str], page: Page) -> None:
    ours, address = site
    theirs = Site()
    with serving(theirs.app) as elsewhere:
        page.goto(f"http://{elsewhere}/")
        assert page.run(OPENED % address) == "refused"
        assert ours.entered == 0
        assert page.run(OPENED % elsewhere) == "open"
        assert theirs.entered == 1
        assert any("403" in one for one in page.complaints)


def test_an_event_source_goes_on_by_itself_where_it_was_cut(
    site: tuple[Site, str], page: Page
) -> None:
    _, address = site
    page.goto(f"http://{address}/")
    page.run(LISTEN)
    page.wait_for("begun === 1")
    page.run("fetch('/cut', {method: 'POST'})")  # before it has heard a single message
    page.run("fetch('/say/0', {method: 'POST'})")
    page.wait_for("begun === 2 && heard.length === 1")
    for number in range(1, 30):
        if number % 10 == 0:
            page.run("fetch('/cut', {method: 'POST'})")
        page.run(f"fetch('/say/{number}', {{method: 'POST'}})")
    page.wait_for("heard.length === 30")
    assert page.run("heard") == list(range(30))
    assert page.run("resets") == 0
    assert page.run("begun") >= 3

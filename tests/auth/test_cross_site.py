"""A page of another origin changes nothing: shown with a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from nexios.adapters.websocket.socket import WebSocket
from nexios.app import NexiosApp
from nexios.auth.backends.session import SessionAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.config import MakeConfig
from nexios.middleware.session import SessionMiddleware
from tests.support.chromium import Page
from tests.support.server import serving


class Bank:
    """An application whose user is known by a cookie; counts what was done in their name."""

    def __init__(self, samesite: str) -> None:
        self.moved = 0
        self.sockets = 0
        self.users: list[str] = []
        self.seen: list[tuple[str, str, bool]] = []
        secure = {"cookie_secure": True} if samesite == "none" else {}
        self.app = NexiosApp(
            config=MakeConfig(
                secret_key="a secret of more than thirty-two bytes",
                session={"cookie_samesite": samesite, **secure},
            )
        )
        backend = SessionAuthBackend()
        self.app.add_middleware(SessionMiddleware())
        self.app.add_middleware(AuthenticationMiddleware(backend=backend))
        self.app.add_middleware(self._note)

        @self.app.get("/")
        async def index(request: Any, response: Any) -> Any:
            return response.html("<!doctype html><title>bank</title>")

        @self.app.post("/login/{name}")
        async def login(request: Any, response: Any, name: str) -> str:
            backend.login(request, {"id": name})
            self.users.append(name)
            return "in"

        @self.app.post("/move")
        @auth(["session"])
        async def move(request: Any, response: Any) -> str:
            self.moved += 1
            return "moved"

        @self.app.websocket("/ws", guards=[auth(["session"])])
        async def ws(websocket: WebSocket) -> None:
            self.sockets += 1
            await websocket.accept()
            await websocket.send_text("hello")

    async def _note(self, request: Any, response: Any, call_next: Any) -> Any:
        self.seen.append((request.method, request.url.path, "cookie" in request.headers))
        return await call_next()


def evil_app() -> NexiosApp:
    app = NexiosApp()

    @app.get("/")
    async def index(request: Any, response: Any) -> Any:
        return response.html("<!doctype html><title>evil</title>")

    return app


@pytest.fixture
def evil() -> Iterator[int]:
    with serving(evil_app()) as address:
        yield int(address.rpartition(":")[2])


ATTACKS = {
    "fetch": "fetch('{bank}/move', {{method: 'POST', mode: 'no-cors', credentials: 'include'}})"
    ".then(() => true, () => false)",
    "text": "fetch('{bank}/move', {{method: 'POST', mode: 'no-cors', credentials: 'include',"
    " headers: {{'content-type': 'text/plain'}}, body: '{{}}'}}).then(() => true, () => false)",
    "beacon": "navigator.sendBeacon('{bank}/move', 'x')",
    "login": "fetch('{bank}/login/mallory', {{method: 'POST', mode: 'no-cors',"
    " credentials: 'include'}}).then(() => true, () => false)",
    "socket": "new Promise((done) => {{ const ws = new WebSocket('{ws}/ws');"
    " ws.onopen = () => done('open'); ws.onerror = () => done('refused'); }})",
}
FORM = (
    "(() => {{ const form = document.createElement('form'); form.method = 'POST';"
    " form.action = '{bank}/{path}'; document.body.append(form); form.submit(); }})()"
)


# localhost and 127.0.0.1 are two sites; two ports of localhost are one site and two origins, so
# that the browser sends even a Lax cookie.
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("samesite", ["lax", "none"])
def test_a_page_of_another_origin_changes_nothing(
    page: Page, evil: int, host: str, samesite: str
) -> None:
    bank = Bank(samesite)
    with serving(bank.app) as address:
        port = address.rpartition(":")[2]
        home, ws = f"http://localhost:{port}", f"ws://localhost:{port}"
        page.goto(home)
        own = "fetch('{0}', {{method: 'POST'}}).then((answer) => answer.status)"
        assert page.run(own.format("/login/ada")) == 200
        assert page.run(own.format("/move")) == 200
        assert page.run(ATTACKS["socket"].format(ws=ws)) == "open"
        assert (bank.moved, bank.sockets, bank.users) == (1, 1, ["ada"])
        bank.seen.clear()

        page.goto(f"http://{host}:{evil}/")
        told = {
            name: page.run(script.format(bank=home, ws=ws)) for name, script in ATTACKS.items()
        }
        for path in ("move", "login/mallory"):
            page.goto(f"http://{host}:{evil}/")
            page.run(FORM.format(bank=home, path=path))
            page.wait_for(f"location.port === '{port}'")

        page.goto(home)
        assert page.run(own.format("/move")) == 200
    assert told["socket"] == "refused"
    assert (bank.moved, bank.sockets, bank.users) == (2, 1, ["ada"])
    posts = [(path, cookie) for method, path, cookie in bank.seen if method == "POST"]
    # The attacks did arrive, with the cookie wherever the browser sends it.
    assert [path for path, _ in posts].count("/move") == 5
    assert [path for path, _ in posts].count("/login/mallory") == 2
    if host == "localhost":
        assert all(cookie for _, cookie in posts)

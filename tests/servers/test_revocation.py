"""What one server process revokes, another one refuses: `nexios run` twice over one database."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.support.running import Running, running

APP = """
from collections.abc import AsyncIterator

from nexios import Depend, MakeConfig, Module, NexiosApp, Scope
from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.tokens import SqlRefreshTokens, SqlRevocations
from nexios.adapters.security.algorithms import hmac_keys
from nexios.adapters.security.jwt import JwtCodec
from nexios.application.refresh_tokens import RefreshTokens
from nexios.application.revocations import Revocations
from nexios.application.token_pairs import TokenPairs
from nexios.application.tokens import TokenCodec
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"
module = Module("tokens")

@module.provides(scope=Scope.SINGLETON)
async def database() -> AsyncIterator[Database]:
    async with Database("URL") as opened:
        yield opened

module.bind(TokenCodec).value(JwtCodec(hmac_keys([SECRET], ["HS256"])))
module.bind(RefreshTokens, scope=Scope.SINGLETON).to(SqlRefreshTokens)
module.bind(Revocations, scope=Scope.SINGLETON).to(SqlRevocations)
module.bind(TokenPairs, scope=Scope.SINGLETON).to(TokenPairs)
module.export(Database, TokenCodec, RefreshTokens, Revocations, TokenPairs)

app = NexiosApp(module, config=MakeConfig(secret_key=SECRET))
app.add_middleware(AuthenticationMiddleware(JWTAuthBackend(lambda sub: {"id": sub})))

@app.on_startup
async def tables():
    await create_tables(await app.container.get(Database))

@app.post("/login/{name}")
async def login(name: str, pairs: TokenPairs = Depend()):
    pair = await pairs.open(name)
    return {"access": pair.access_token, "refresh": pair.refresh_token}

@app.post("/rotate/{token}")
async def rotate(token: str, pairs: TokenPairs = Depend()):
    return {"access": (await pairs.rotate(token)).access_token}

@app.post("/everywhere/{name}")
async def everywhere(name: str, pairs: TokenPairs = Depend()):
    return {"closed": await pairs.close_all(name)}

@app.get("/me")
@auth()
async def me(request, response):
    return response.json(request.user)

@app.websocket("/ws")
@auth()
async def ws(websocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)
"""


def call(server: Running, path: str, *, token: str = "", post: bool = False) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}", method="POST" if post else "GET"
    )
    if token:
        request.add_header("authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, None


@pytest.fixture(params=["sqlite", "postgres"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Running, Running]]:
    url = f"sqlite:///{tmp_path / 'tokens.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("nexios_database_url")
    with ExitStack() as opened:
        found = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            found.append(opened.enter_context(running(folder, APP.replace("URL", url))))
        yield found[0], found[1]


def test_signed_out_everywhere_within_a_second(servers: tuple[Running, Running]) -> None:
    here, there = servers
    _, mine = call(here, "/login/ada", post=True)
    _, other = call(here, "/login/bob", post=True)
    with ExitStack() as opened:
        sockets = {
            name: [
                opened.enter_context(
                    connect(
                        f"ws://127.0.0.1:{server.port}/ws",
                        additional_headers={"authorization": f"Bearer {pair['access']}"},
                    )
                )
                for server in servers
            ]
            for name, pair in (("ada", mine), ("bob", other))
        }
        assert call(there, "/me", token=mine["access"]) == (200, {"id": "ada"})
        assert call(here, "/everywhere/ada", post=True) == (200, {"closed": 1})
        begun = time.monotonic()
        for socket in sockets["ada"]:
            with pytest.raises(ConnectionClosed) as end:
                socket.recv(timeout=max(0.0, begun + 1.0 - time.monotonic()))
            assert end.value.rcvd is not None
            assert (end.value.rcvd.code, end.value.rcvd.reason) == (
                4401,
                "the credential has ended",
            )
        while call(there, "/me", token=mine["access"])[0] != 401:
            assert time.monotonic() - begun < 1.0
        for server in servers:
            assert call(server, f"/rotate/{mine['refresh']}", post=True)[0] == 401
            assert call(server, "/me", token=other["access"])[0] == 200
        for socket in sockets["bob"]:
            socket.send("still here")
            assert socket.recv(timeout=5) == "still here"
        # Who logs in again is let in, in the same second too.
        _, again = call(there, "/login/ada", post=True)
        assert call(here, "/me", token=again["access"])[0] == 200
    for server in servers:
        assert "Traceback" not in server.log.read_text()

"""Two `nexios run` processes that share their channels by one setting."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.running import Running, running

APP = """
from nexios import Depend, MakeConfig, NexiosApp
from nexios.container import Module
from nexios.websockets import Channel

FREE = {"messages_per_s": None}
config = MakeConfig(limits=FREE, realtime={"backplane": BACKPLANE, "namespace": NAMESPACE})
MODULES
app = NexiosApp(config, ROOT)
chat = Channel("chat", presence=True)


@app.websocket("/ws/{room}")
async def talk(websocket, room: str):
    group = chat.group(room)
    await group.join(websocket, meta={"room": room})
    async for said in websocket.iter_json():
        if said == "who":
            await websocket.send_json({"who": len(await chat.present(room))})
        else:
            await group.broadcast(said)
"""


@contextmanager
def two(folder: Path, backplane: str) -> Iterator[tuple[Running, Running]]:
    text = APP.replace("BACKPLANE", repr(backplane)).replace(
        "NAMESPACE", repr(f"t{secrets.token_hex(6)}")
    )
    text = text.replace("MODULES", "").replace(", ROOT", "")
    with ExitStack() as stack:
        found = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            found.append(stack.enter_context(running(folder / name, text)))
        yield found[0], found[1]


def enter(server: Running, *, at: str = "", v1: bool = True) -> ClientConnection:
    url = f"ws://127.0.0.1:{server.port}/ws/tea"
    protocols = [Subprotocol("nexios.v1")] if v1 else None
    return connect(f"{url}?at={at}" if at else url, subprotocols=protocols)


def heard(client: ClientConnection) -> Any:
    return json.loads(client.recv(timeout=20))


def message(client: ClientConnection) -> Any:
    """Return the next message, past what is said of presence."""
    while True:
        frame = heard(client)
        if frame["type"] == "message":
            return frame


@pytest.fixture(params=["redis", "nats"])
def backplane(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"nexios_{request.param}")
    return found


def test_two_processes_share_a_channel_and_a_client_resumes_on_the_other(
    tmp_path: Path, backplane: str
) -> None:
    with two(tmp_path, backplane) as (one, other):
        with enter(one) as ada, enter(other) as bob:
            assert heard(ada)["type"] == heard(bob)["type"] == "joined"
            ada.send('"from ada"')
            assert message(bob)["data"] == "from ada"
            bob.send('"from bob"')
            first, second = message(ada), message(ada)
            assert (first["data"], second["data"]) == ("from ada", "from bob")
        with enter(other, v1=False) as bob:
            for number in range(5):
                bob.send(str(number))
            assert [heard(bob) for _ in range(5)] == list(range(5))
            with enter(other, at=f"chat/tea@{second['at']}") as ada:
                hello = heard(ada)
                why = "" if hello["recovered"] else f"{hello} {heard(ada)} after {second}"
                assert (hello["recovered"], hello["replayed"]) == (True, 5), why
                assert [message(ada)["data"] for _ in range(5)] == list(range(5))
                with enter(one, v1=False) as third:
                    # Joins and leaves are told a quarter of a second later.
                    deadline, who = time.monotonic() + 20, 0
                    while who != 3 and time.monotonic() < deadline:
                        third.send('"who"')
                        who = heard(third)["who"]
                    assert who == 3

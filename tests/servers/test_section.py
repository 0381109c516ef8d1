"""Every key of the section ``server`` is read, and what it cannot be is refused by its name."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest

from nexios.adapters.servers.engines import EngineMissing, http_protocol, insist_on_loop
from nexios.adapters.servers.shell_h11 import H11Shell
from nexios.adapters.servers.uvicorn import ServerOptions
from nexios.application.limits import Limits
from nexios.application.sections.serving import ServerSettings, listening_address
from nexios.config import ConfigError, MakeConfig
from tests.servers.test_workers import _first, _unix
from tests.support.raw import request, speak
from tests.support.running import Running, running

APP = """
import asyncio
from nexios import MakeConfig, NexiosApp

app = NexiosApp(config=MakeConfig(server=SERVER))

@app.get("/")
async def root() -> dict[str, str]:
    return {"loop": type(asyncio.get_running_loop()).__module__}

@app.websocket("/ws")
async def sock(socket) -> None:
    await socket.accept()
"""
UPGRADE = request(
    b"GET /ws HTTP/1.1",
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@contextmanager
def serving(folder: Path, **settings: object) -> Iterator[Running]:
    with running(folder, APP.replace("SERVER", repr(settings))) as server:
        yield server


def of(**settings: object) -> ServerOptions:
    return ServerOptions.of(MakeConfig(server=settings).server, Limits(), None, None)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"uds": ""}, "server.uds: must be the path of a Unix socket, or None"),
        ({"uds": 7}, "server.uds: must be a valid string"),
        ({"management": "here"}, "not 'here'"),
        ({"management": ":9090"}, "not ':9090'"),
        ({"management": "::1:9090"}, "not '::1:9090'"),
        ({"management": "a:65536"}, "not 'a:65536'"),
        ({"http": "h2"}, "server.http: must be 'auto', 'httptools' or 'h11'"),
        ({"ws": "wsproto"}, "server.ws: must be 'auto' or 'none'"),
        ({"loop": "trio"}, "server.loop: must be 'auto', 'asyncio' or 'uvloop'"),
        ({"wait": "long"}, "server.wait: "),
        ({"startup_s": 0}, "server.startup_s: must be above zero"),
        ({"loop_block_exit_s": 0}, "server.loop_block_exit_s: must be above zero"),
        ({"workers": 0}, "server.workers: must be from 1 to 1024"),
        ({"drain_s": -1}, "server.drain_s: must not be negative or endless"),
        ({"managment": "9090"}, "did you mean 'management'"),
    ],
)
def test_what_a_key_cannot_be_is_refused_by_its_name(
    settings: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        MakeConfig(server=settings)
    assert told in str(refused.value)


def test_the_page_and_the_section_name_the_same_keys() -> None:
    named = "host port uds workers management http ws loop drain_s grace_s startup_s wait"
    assert {one.name for one in fields(ServerSettings)} == {*named.split(), "loop_block_exit_s"}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9090", ("127.0.0.1", 9090)),
        ("127.0.0.1:9090", ("127.0.0.1", 9090)),
        ("[::1]:9090", ("::1", 9090)),
        ("ops.internal:0", ("ops.internal", 0)),
    ],
)
def test_a_management_address_has_three_forms(text: str, address: tuple[str, int]) -> None:
    assert listening_address(text) == address
    assert of(management=text).management == address


def test_what_is_asked_for_now_wins_over_what_is_written() -> None:
    settings = ServerSettings(uds="/run/app.sock", management="9090")
    assert ServerOptions.of(settings, Limits(), None, None).uds == "/run/app.sock"
    assert ServerOptions.of(settings, Limits(), None, 8000).uds is None
    assert ServerOptions.of(settings, Limits(), None, None, uds="/tmp/x").uds == "/tmp/x"
    assert ServerOptions.of(settings, Limits(), None, None, fd=3).uds is None
    told = ServerOptions.of(settings, Limits(), None, None, management="9191")
    assert told.management == ("127.0.0.1", 9191)


def test_the_parser_is_chosen() -> None:
    assert of(http="h11").http is H11Shell
    assert of().http is http_protocol("auto")


def test_what_is_not_installed_is_refused_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    for name in ("httptools", "uvloop"):
        for module in [one for one in sys.modules if one.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
    with pytest.raises(EngineMissing, match=r"server.http is 'httptools'[^\0]*nexios\[serve\]"):
        http_protocol("httptools")
    with pytest.raises(EngineMissing, match=r"server.loop is 'uvloop'[^\0]*nexios\[serve\]"):
        insist_on_loop("uvloop")
    assert http_protocol("auto") is H11Shell


def test_loop_and_parser_are_those_of_the_section(tmp_path: Path) -> None:
    with serving(tmp_path, loop="asyncio", http="h11") as server:
        where = f"127.0.0.1:{server.port}"
        (answer,) = speak(where, request()).answers
        assert json.loads(answer.body)["loop"] == "asyncio.unix_events"
        assert speak(where, UPGRADE).statuses == []  # 101, then a socket


def test_without_sockets_an_upgrade_is_no_upgrade(tmp_path: Path) -> None:
    with serving(tmp_path, ws="none") as server:
        assert speak(f"127.0.0.1:{server.port}", UPGRADE).statuses == [426]


def test_the_unix_socket_of_the_section_is_served(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    text = APP.replace("SERVER", repr({"uds": str(path), "drain_s": 0.1}))
    (tmp_path / "main.py").write_text(text)
    command = [sys.executable, "-m", "nexios", "run", "main:app"]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        try:
            assert b"200 OK" in _first(lambda: _unix(path))
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()

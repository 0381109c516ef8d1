"""The root face: every name is handed on, and importing it costs nothing."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import nexios
import nexios.testing

LAZY = pytest.mark.parametrize("face", [nexios, nexios.testing])


@LAZY
def test_every_name_is_handed_on_from_its_home(face: ModuleType) -> None:
    assert face.__all__
    for name in face.__all__:
        assert getattr(face, name) is not None
        assert name in dir(face)


@LAZY
def test_stub_and_face_agree(face: ModuleType) -> None:
    stub = Path(str(face.__file__)).with_suffix(".pyi").read_text().splitlines()
    told = {}
    for line in stub:
        _, home, _, name, _, again = line.split()
        assert name == again
        told[name] = home
    assert sorted(told) == face.__all__
    for name, home in told.items():
        assert getattr(import_module(home), name) is getattr(face, name)


@LAZY
def test_unknown_name_is_an_attribute_error(face: ModuleType) -> None:
    assert not hasattr(face, "NexiosAp")


def test_the_plugin_of_pytest_loads_no_client() -> None:
    code = "import sys, nexios.testing.plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"httpx2", "nexios.app"}


def test_import_is_light() -> None:
    code = "import sys, nexios, nexios.domain; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "nexios.domain" in loaded
    assert not loaded & {"pydantic", "anyio", "sqlalchemy", "dependency_injector", "uvicorn"}


BUILT = """
import sys
from nexios import NexiosApp
app = NexiosApp()
async def item(id: int) -> dict[str, object]:
    return {"id": id}
for n in range(50):
    app.get(f"/api/v1/res{n}/items/{{id:int}}")(item)
"""
SERVING = {
    "nexios.adapters.http.builder",
    "nexios.adapters.http.files",
    "nexios.adapters.http.gateway",
    "nexios.adapters.http.request",
    "nexios.adapters.openapi.document",
    "nexios.adapters.websocket.gateway",
    "nexios.assembly",
    "nexios.auth.decorator",
    "nexios.container.assembly",
    "nexios.container.container",
    "nexios.container.plans",
    "nexios.middleware.cors",
    "nexios.websockets.hub",
}
ENGINES = {"dependency_injector", "pydantic", "pydantic_core"}
LOOKING = {
    "nexios.container.explain",
    "nexios.container.hints",
    "nexios.container.rendering",
    "nexios.container.survey",
    "nexios.middleware.cors",
    "nexios.middleware.gzip",
    "nexios.middleware.security",
}


def loaded_by(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}\nprint(*sys.modules)"]
    # A variable of ours is a setting, and reading settings takes pydantic.
    bare = {name: one for name, one in os.environ.items() if not name.startswith("NEXIOS_")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=bare)
    return set(done.stdout.split())


def test_noting_routes_loads_neither_what_wires_nor_what_serves() -> None:
    loaded = loaded_by(BUILT)
    assert "nexios.adapters.http.routes" in loaded
    assert not loaded & (SERVING | ENGINES | LOOKING)


def test_the_build_proves_the_wiring_and_loads_nothing_that_only_looks_at_it() -> None:
    loaded = loaded_by(f"{BUILT}app.check()")
    assert loaded >= (SERVING - {"nexios.middleware.cors"}) | ENGINES
    assert not loaded & LOOKING


def test_wiring_is_proven_before_the_first_request_though_it_is_loaded_late() -> None:
    code = f"""{BUILT}
import asyncio
from typing import Protocol
from nexios import Depend
class Port(Protocol):
    def call(self) -> None: ...
@app.get("/port")
async def asks(port: Port = Depend()) -> str:
    return "never"
async def receive():
    return {{"type": "lifespan.startup"}}
async def send(message):
    assert message["type"] == "lifespan.startup.failed", message
    sys.exit(message["message"])
asyncio.run(app({{"type": "lifespan", "asgi": {{"version": "3.0"}}}}, receive, send))
sys.exit("the lifespan said nothing")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "nothing provides Port" in done.stderr


def test_an_app_without_database_loads_none() -> None:
    code = "import sys\nfrom nexios import *\nNexiosApp().check()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "asyncpg", "aiosqlite", "jwt", "uvicorn", "click", "websockets"}
    heavy |= {"python_multipart"}
    assert not set(done.stdout.split()) & heavy

"""The root face: every name is handed on, and importing it costs nothing."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import nexios


def test_every_name_is_handed_on_from_its_home() -> None:
    for name in nexios.__all__:
        assert getattr(nexios, name) is not None


def test_stub_and_face_agree() -> None:
    stub = Path(nexios.__file__).with_suffix(".pyi").read_text().splitlines()
    told = {}
    for line in stub:
        _, home, _, name, _, again = line.split()
        assert name == again
        told[name] = home
    assert sorted(told) == nexios.__all__
    for name, home in told.items():
        assert getattr(import_module(home), name) is getattr(nexios, name)


def test_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(nexios, "NexiosAp")


def test_import_is_light() -> None:
    code = "import sys, nexios, nexios.domain; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "nexios.domain" in loaded
    assert not loaded & {"pydantic", "anyio", "sqlalchemy", "dependency_injector", "uvicorn"}


def test_an_app_without_database_loads_none() -> None:
    code = "import sys\nfrom nexios import *\nNexiosApp().check()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "asyncpg", "aiosqlite", "jwt", "uvicorn", "click", "websockets"}
    assert not set(done.stdout.split()) & heavy

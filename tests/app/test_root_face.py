"""The root face: every name is handed on, and importing it costs nothing."""

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


def test_an_app_without_database_loads_none() -> None:
    code = "import sys\nfrom nexios import *\nNexiosApp().check()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "asyncpg", "aiosqlite", "jwt", "uvicorn", "click", "websockets"}
    heavy |= {"python_multipart"}
    assert not set(done.stdout.split()) & heavy

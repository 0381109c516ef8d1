"""The contracts that hold the house: each one notices the violation it is there for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Contract, file to plant below nexios/, its text.
PLANTS = [
    ("floors: every import runs down", "adapters/asgi/planted.py", "import nexios.app"),
    ("domain: standard library only", "domain/planted.py", "import pydantic"),
    ("layers: standard library only, grimp lazily", "layers/planted.py", "import anyio"),
    (
        "container: knows neither domain, application nor adapters",
        "container/planted.py",
        "import nexios.domain.errors",
    ),
    (
        "application: domain, standard library and anyio",
        "application/planted.py",
        "def late():\n    import pydantic",
    ),
    (
        "driven adapters know neither the container nor the wire",
        "adapters/persistence/planted.py",
        "import nexios.container.module",
    ),
    (
        "only servers may know adapters.asgi among the driven adapters",
        "adapters/security/planted.py",
        "import nexios.adapters.asgi.types",
    ),
    (
        "documents are drawn by the app: nobody below it knows them",
        "auth/planted.py",
        "import nexios.adapters.openapi.config",
    ),
    (
        "documents are drawn from the wire, not from driven adapters",
        "adapters/openapi/planted.py",
        "import nexios.adapters.servers.uvicorn",
    ),
    ("one door: dependency-injector", "container/planted.py", "import dependency_injector"),
    ("one door: SQLAlchemy, asyncpg, aiosqlite", "adapters/http/planted.py", "import asyncpg"),
    ("one door: alembic", "adapters/persistence/planted.py", "import alembic"),
    ("one door: PyJWT, itsdangerous", "auth/planted.py", "import jwt"),
    ("one door: uvicorn", "cli/planted.py", "import uvicorn"),
    ("one door: jinja2", "adapters/routing/planted.py", "import jinja2"),
    ("one door: click", "adapters/servers/planted.py", "import click"),
    ("one door: python-multipart", "adapters/http/planted.py", "import python_multipart"),
    ("two doors: httpx2", "testing/planted.py", "import httpx2"),
    ("one door each: pwdlib, cryptography, authlib", "auth/planted.py", "import authlib"),
    (
        "one door each: OpenTelemetry, Prometheus, Sentry, granian",
        "middleware/planted.py",
        "import prometheus_client",
    ),
    ("two doors: redis", "auth/planted.py", "import redis"),
    (
        "siblings are independent: policies",
        "middleware/planted.py",
        "import nexios.auth.users",
    ),
    (
        "no circles between siblings",
        "domain/errors.py",
        "import nexios.domain.entities",
    ),
    (
        "faces are for users: nobody inside imports through one",
        "app.py",
        "from nexios.domain import Clock",
    ),
]


def lint(folder: Path) -> str:
    """Run the contracts over the copy in ``folder`` and return what they print."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "nexios", tmp_path / "nexios", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_house_as_it_stands_keeps_every_contract(copy: Path) -> None:
    said = lint(copy)
    assert " 0 broken" in said, said


@pytest.mark.parametrize(("contract", "file", "text"), PLANTS, ids=[name for name, *_ in PLANTS])
def test_planted_violation_breaks_its_contract(
    copy: Path, contract: str, file: str, text: str
) -> None:
    with (copy / "nexios" / file).open("a") as planted:
        planted.write(f"\n{text}\n")

    assert f"{contract} BROKEN" in lint(copy)


def test_every_contract_has_its_plant() -> None:
    lines = (ROOT / "pyproject.toml").read_text().split("[tool.importlinter]")[1].splitlines()
    names = {line.partition('"')[2].rstrip('"') for line in lines if line.startswith("name = ")}
    assert names == {contract for contract, *_ in PLANTS}

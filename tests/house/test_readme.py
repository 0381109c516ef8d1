"""What the README shows is what happens."""

import re
from pathlib import Path

from nexios.testing.client import TestClient
from tests.support.running import ended

README = (Path(__file__).parents[2] / "README.md").read_text()

SERVICE = """\
from typing import Protocol


class UserRepository(Protocol):
    async def get(self, user_id: str) -> dict[str, str]: ...


class UserService:
    def __init__(self, users: UserRepository) -> None: ...
"""
HTTP = """\
from uuid import UUID

from app.users.service import UserService
from nexios import Controller, get


class UserController(Controller, path="/users"):
    def __init__(self, users: UserService) -> None: ...

    @get("/{user_id:uuid}")
    async def show(self, user_id: UUID) -> str: ...
"""
MODULE = """\
from app.users.http import UserController
from app.users.service import UserService
from nexios import Module


class SqlUserRepository:
    async def get(self, user_id: str) -> dict[str, str]: ...


users = Module("users")
users.bind(UserService)
users.bind(SqlUserRepository)
users.controllers(UserController)
"""
MAIN = """\
from app.users.module import users
from nexios import NexiosApp

app = NexiosApp(users)
"""


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_small_application_works_as_printed() -> None:
    names: dict[str, object] = {"__name__": "main"}
    exec(blocks("python")[0], names)
    with TestClient(names["app"]) as client:  # type: ignore[arg-type]  # it is what we printed
        assert client.get("/hello/you").json() == {"message": "Hello, you!"}


def test_the_wiring_error_is_the_printed_one(tmp_path: Path) -> None:
    users = tmp_path / "app" / "users"
    users.mkdir(parents=True)
    (users / "service.py").write_text(SERVICE)
    (users / "http.py").write_text(HTTP)
    (users / "module.py").write_text(MODULE)
    (tmp_path / "app" / "main.py").write_text(MAIN)

    done = ended(tmp_path, "app.main", "--port", "0", PYTHONPATH=str(tmp_path))

    assert done.returncode == 3
    assert blocks("text")[0].strip() in done.stderr


def test_the_commands_exist() -> None:
    commands = set(re.findall(r"python3 dev\.py (\w+)", README))
    assert commands == {"demo", "test", "check"}

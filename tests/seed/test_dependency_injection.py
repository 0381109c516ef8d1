"""Snippet 2: a service wired by its annotations, behind a real server."""

from typing import Any

import pytest

from examples.seed_page.database import db
from examples.seed_page.dependency_injection import app
from nexios import Depend, Module, NexiosApp
from nexios.adapters.persistence import Database
from tests.seed.conftest import Serve
from tests.support.server import NotStarted


def test_the_int_of_the_path_reaches_the_service(serve: Serve) -> None:
    client = serve(app)

    assert client.get("/users/2").json() == {"id": 2, "name": "Grace"}
    assert client.get("/users/7").json() is None
    missing = client.get("/users/abc")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"


def data() -> Module:
    module = Module("data")
    module.bind(Database).value(db)
    return module.export(Database)


def test_one_service_per_request_shared_by_all_who_ask(serve: Serve) -> None:
    shared = NexiosApp(data())
    made: list[object] = []

    class Users:
        db: Database

    class ByConstructor:
        def __init__(self, users: Users, database: Database) -> None:
            made.append(self)
            self.users = users
            self.database = database

    def users_again(users: Users = Depend()) -> Users:
        return users

    @shared.get("/{number:int}")
    async def show(
        request: Any,
        response: Any,
        number: int,
        users: Any = Depend(Users),
        other: Any = Depend(ByConstructor),
        again: Any = Depend(users_again),
    ) -> Any:
        same = users is other.users and users is again
        wired = users.db is db and other.database is db
        return response.json([number, type(number).__name__, same, wired])

    client = serve(shared)
    assert client.get("/7").json() == [7, "int", True, True]
    assert client.get("/8").json() == [8, "int", True, True]
    assert len(made) == 2
    assert made[0] is not made[1]


def test_an_attribute_nobody_binds_refuses_the_start_and_is_named(serve: Serve) -> None:
    unbound = NexiosApp()

    class UserService:
        db: Database

    @unbound.get("/")
    async def show(request: Any, response: Any, users: Any = Depend(UserService)) -> None: ...

    with pytest.raises(Exception, match=r"UserService\.db") as refusal:
        unbound.check()
    assert "nothing provides Database" in str(refusal.value)
    with pytest.raises(NotStarted):
        serve(unbound)


def test_without_the_annotation_the_app_starts_and_the_call_is_a_500(serve: Serve) -> None:
    bare = NexiosApp(data())

    class UserService:
        async def get_user(self, user_id: int) -> Any:
            return await self.db.fetch_one("SELECT 1")  # type: ignore[attr-defined]  # the point

    @bare.get("/users/{user_id:int}")
    async def get_user(
        request: Any, response: Any, user_id: int, user_service: Any = Depend(UserService)
    ) -> Any:
        return response.json(await user_service.get_user(user_id))

    answer = serve(bare).get("/users/1")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "UserService" not in answer.text

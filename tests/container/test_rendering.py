"""Drawings of the wiring: the same in every process, and valid whatever people call things."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import pytest

from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy, Provider, Scopes
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.layers.rules import Layer
from tests.container.mistakes.adapters.http.users import UserController
from tests.container.mistakes.adapters.persistence.sessions import Session
from tests.container.mistakes.adapters.persistence.users import SqlUsers
from tests.container.mistakes.domain.users import Greeter, Users
from tests.support.golden import assert_golden
from tests.support.wiring import point

ROOT = Path(__file__).parents[2]
T = TypeVar("T")


class Settings:
    pass


class Engine:
    pass


class Job:
    pass


class Cache(Generic[T]):
    pass


class Crew:
    def __init__(
        self,
        jobs: list[Job],
        lazily: Lazy[Engine],
        later: Provider[Settings],
        scopes: Scopes,
        hot: Annotated[Cache[int], Key("hot")],
    ) -> None: ...


def current_user(settings: Settings = Depend()) -> str:
    return "ann"


async def ping(crew: Crew = Depend(), user: str = Depend(current_user)) -> None: ...
async def pong(user: str = Depend(current_user)) -> None: ...


def wired() -> Container:
    store = Module("store", layer=Layer.PERSISTENCE)

    @store.provides(scope=Scope.SINGLETON)
    async def engine() -> AsyncIterator[Engine]:
        yield Engine()

    store.export(Engine)
    users = Module("users", include=[store], export=[Users])
    users.bind(Users).to(SqlUsers)
    users.bind(Greeter)
    users.bind(Session)
    users.controllers(UserController)
    root = Module("app", include=[users, store])
    root.bind(Settings).value(Settings())
    root.bind(Crew)
    root.add(Job)
    root.add(Job, scope=Scope.TRANSIENT).to(Job)
    root.bind(Key(Cache[int], "hot")).to(Cache)
    root.bind(Key(Engine, "main")).alias(Engine)
    points = [
        point(UserController.show, "GET /users/{id}", owner=UserController, module=users),
        point(ping, "GET /ping", module=root),
        point(pong, "GET /pong", module=root),
    ]
    return Container(root, entries=points)


@pytest.mark.parametrize("form", ["text", "mermaid", "dot", "json"])
def test_each_form_of_the_graph_has_its_reviewed_file(form: str) -> None:
    drawn: Callable[[], str] = getattr(wired().graph(), form)
    assert_golden(drawn(), f"graph.{form}.txt")


class Warm(Cache[T]):
    def __init__(self, engine: Engine) -> None: ...


class Counted(Cache[T]):
    def __init__(self, inner: Cache[T]) -> None: ...


class Shelves:
    def __init__(
        self, numbers: Cache[int], texts: Cache[str], lazily: Lazy[Cache[int]]
    ) -> None: ...


def generic() -> Container:
    store = Module("store", layer=Layer.PERSISTENCE)
    store.bind(Engine, scope=Scope.SINGLETON)
    store.bind(Cache[T], scope=Scope.SINGLETON).to(Warm[T])
    store.export(Cache[T])
    root = Module("app", include=[store])
    root.decorate(Cache[T]).with_(Counted[T])
    root.decorate(Cache[str]).with_(Counted)
    root.bind(Shelves)
    return Container(root)


@pytest.mark.parametrize("form", ["text", "mermaid"])
def test_closed_forms_and_decorators_are_told_apart_by_what_answers(form: str) -> None:
    drawn: Callable[[], str] = getattr(generic().graph(), form)
    assert_golden(drawn(), f"generic.{form}.txt")


def test_json_says_which_class_makes_a_closed_form_and_that_it_decorates() -> None:
    objects = json.loads(generic().graph().json())["objects"]
    made = {item["id"]: item for item in objects}
    wrapped, inner = made["app/Cache[int]"], made["store/Cache[int]"]
    assert (wrapped["origin"], inner["origin"]) == ("decorator", "bound")
    assert inner["source"] == f"{__name__}.Warm"
    assert wrapped["source"] == f"{__name__}.Counted"
    assert [ask["object"] for ask in wrapped["asks"]] == ["store/Cache[int]"]


def test_closed_forms_are_drawn_in_one_order_whoever_asks_first() -> None:
    def one(texts: Cache[str] = Depend()) -> None: ...
    def two(numbers: Cache[int] = Depend()) -> None: ...

    drawn = []
    for targets in ((one, two), (two, one)):
        module = Module("app")
        module.bind(Cache[T]).to(Cache[T])
        points = [point(target, "GET /x", module=module) for target in targets]
        text = Container(module, entries=points).graph().text()
        drawn.append(text.partition("no layer")[2])
    assert drawn[0] == drawn[1]


def test_str_of_the_graph_is_its_text() -> None:
    graph = wired().graph()
    assert str(graph) == graph.text()


def test_rendering_is_deterministic() -> None:
    program = (
        "from examples.shop.main import app\n"
        "graph = app.container.graph()\n"
        "print(graph.text(), graph.mermaid(), graph.dot(), graph.json())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    (text,) = seen
    assert "0x" not in text
    assert str(ROOT) not in text
    assert "SqlOrders" in text


def test_what_is_asked_at_run_time_does_not_change_the_drawing_of_the_rest() -> None:
    before, after = wired(), wired()
    draft = after.explain(list[Engine])
    assert draft.answer.value == "list"
    assert after.graph().json() == before.graph().json()


def test_an_override_is_not_part_of_the_wiring() -> None:
    container = wired()
    before = container.graph().text()
    with container.override(Engine).to(Engine):
        assert container.graph().text() == before
    assert container.graph().text() == before


def test_values_and_addresses_are_never_printed() -> None:
    class Secret:
        def __init__(self, password: str, token: "Secret | None") -> None: ...

        def __repr__(self) -> str:
            return "hunter2"

    root = Module("app")
    root.bind(Key(Secret, object())).value(Secret("hunter2", None))
    root.bind(Secret).to(Secret).using(password="hunter2", token=None)
    graph = Container(root).graph()
    everything = graph.text() + graph.mermaid() + graph.dot() + graph.json()
    assert "hunter2" not in everything
    assert "0x" not in everything
    assert "Key(Secret, <object object>)" in graph.text()


HOSTILE = 'a "quoted" <b>&amp;</b> [x](y) {z} \\ `c` __init__ 1. #35; %% end'


def hostile() -> Container:
    module = Module(HOSTILE)
    module.bind(Key(Cache[dict[str, list[int]]], HOSTILE)).to(Cache)
    odd = type("Two\nlines", (), {})
    module.bind(odd)

    async def show() -> None: ...

    return Container(module, entries=[point(show, f"GET {HOSTILE}", module=module)])


def test_mermaid_escapes_generic_names() -> None:
    text = hostile().graph().mermaid()
    label = "Key#40;Cache#91;dict#91;str, list#91;int#93;#93;#93;"
    assert label.replace("#40;", "(") in text
    assert "Two?lines" in text
    for line in text.splitlines():
        inside = line.split('"')
        assert len(inside) in (1, 3), line  # one label a line, and no quote in it
        if len(inside) == 3:
            assert not set(inside[1].replace("<br/>", "")) & set("<>&[]{}\\`"), line
    assert "__" not in text.replace("#95;#95;", "")


def test_dot_escapes_quotes_backslashes_and_entities() -> None:
    text = hostile().graph().dot()
    assert '\\"quoted\\"' in text
    assert "&amp;amp;" in text
    assert "\\\\ `c`" in text
    assert text.count("{") == text.count("}")


def test_json_holds_names_as_they_are() -> None:
    document = json.loads(hostile().graph().json())
    assert document["modules"][0]["name"] == HOSTILE
    assert document["entries"][0]["label"] == f"GET {HOSTILE}"
    assert document["objects"][1]["key"] == "Two?lines"


def test_modules_of_one_name_are_told_apart() -> None:
    root = Module("app", include=[Module("db", bind=[Engine]), Module("db", bind=[Engine])])
    text = Container(root).graph().text()
    assert 'module "db"\n' in text
    assert 'module "db #2"\n' in text


def test_what_nexios_brings_is_shown_only_where_somebody_asks() -> None:
    assert "Scopes" not in Container(Module("app", bind=[Engine])).graph().text()
    assert 'scopes: Scopes  from "nexios.container"' in wired().graph().text()

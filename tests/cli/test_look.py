"""`nexios graph` and `nexios explain`: the wiring, printed."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from tests.support.store import Files

Command = Callable[..., Result]

MAIN = """\
from typing import Annotated, Protocol
from nexios import Depend, Key, Module, NexiosApp
from nexios.container.container import Container

class Orders(Protocol):
    def all(self) -> list[str]: ...
class SqlOrders:
    def all(self) -> list[str]: ...
class Clock: ...
class Cache: ...
class Old:
    class Clock: ...
Old.Clock.__name__ = "Clock"
def who() -> str: ...
async def index(orders: Orders = Depend(), user: str = Depend(who)): ...

inner = Module("inner", bind=[Clock, Old.Clock, Cache])
second = Module("second", bind=[Cache])
module = Module("main", include=[inner, second])
module.bind(Orders).to(SqlOrders)
module.bind(Key(Orders, "hot")).alias(Orders)
app = NexiosApp(module.export(Orders))
app.get("/")(index)
app.get("/again")(index)
built = Container(module)
wrong = Module("wrong", bind=[Orders])
"""


@pytest.fixture
def main(store: Files) -> str:
    store.write("store/main.py", MAIN)
    return "store.main"


def test_graph_prints_text_unless_told_otherwise(main: str, nexios: Command) -> None:
    done = nexios("graph", main)
    assert done.exit_code == 0, done.output
    assert '    GET /\n      orders: Orders  from "main"\n' in done.output
    assert "Orders  REQUEST  SqlOrders\n" in done.output


@pytest.mark.parametrize(
    ("form", "start"), [("mermaid", "flowchart LR\n"), ("dot", "digraph wiring {\n")]
)
def test_graph_draws(main: str, nexios: Command, form: str, start: str) -> None:
    assert nexios("graph", main, "--format", form).output.startswith(start)


def test_graph_as_json_is_json(main: str, nexios: Command) -> None:
    document = json.loads(nexios("graph", f"{main}:built", "--format", "json").output)
    assert [one["name"] for one in document["modules"]] == ["main", "inner", "second"]


def test_wrong_wiring_ends_with_1_and_the_problems(main: str, nexios: Command) -> None:
    for command in (["graph", f"{main}:wrong"], ["explain", f"{main}:wrong", "Orders"]):
        done = nexios(*command)
        assert done.exit_code == 1
        assert "the wiring is wrong\n1. NX210 Orders is a Protocol" in done.output


def test_package_without_application_ends_with_2(main: str, nexios: Command) -> None:
    done = nexios("graph", "store")
    assert done.exit_code == 2
    assert "fix: name the NexiosApp object: store.main:app" in done.output


@pytest.mark.parametrize(
    ("key", "starts"),
    [
        ("Orders", "Orders\n  answers    SqlOrders"),
        ("store.main.Orders", "Orders\n"),
        ("SqlOrders", "Orders\n"),
        ("Key(Orders, 'hot')", "Key(Orders, 'hot')\n  answers    alias of Orders"),
        ("who", "who()\n"),
        ("who()", "who()\n"),
        ("store.main.Old.Clock", "Clock\n"),
    ],
)
def test_explain_takes_a_key_by_name_path_or_adapter(
    main: str, nexios: Command, key: str, starts: str
) -> None:
    done = nexios("explain", main, key)
    assert done.exit_code == 0, done.output
    assert done.output.startswith(starts)


def test_unknown_name_suggests_near_ones(main: str, nexios: Command) -> None:
    done = nexios("explain", main, "orders")
    assert done.exit_code == 1
    assert done.output == (
        'Error: nothing in store.main is called "orders"; did you mean Orders?\n'
    )
    assert "did you mean Orders" in nexios("explain", main, "Oders").output
    assert "fix: nexios graph store.main lists" in nexios("explain", main, "xyz").output


def test_one_name_of_two_classes_is_listed(main: str, nexios: Command) -> None:
    done = nexios("explain", main, "Clock")
    assert done.exit_code == 1
    assert done.output == (
        'Error: "Clock" may be any of these\n'
        '  store.main.Clock  in module "inner"\n'
        '  store.main.Old.Clock  in module "inner"\n'
        "  fix: nexios explain store.main store.main.Clock\n"
    )


def test_one_key_bound_privately_twice_asks_for_the_module(main: str, nexios: Command) -> None:
    done = nexios("explain", main, "Cache")
    assert done.exit_code == 1
    assert "fix: nexios explain store.main --module inner Cache\n" in done.output
    done = nexios("explain", main, "--module", "second", "Cache")
    assert done.exit_code == 0
    assert 'bound      in module "second"' in done.output

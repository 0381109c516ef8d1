"""`nexios check`: wiring, imports, waivers and hints, without starting anything."""

import json
import sys
from collections.abc import Callable

import pytest
from click.testing import Result

from tests.support.store import Files

Command = Callable[..., Result]

MAIN = """\
from nexios import Module, NexiosApp, Scope
from store.orders.application.ordering import Clock, Ordering

def orders() -> Module:
    module = Module("orders")
    module.bind(Clock, scope=Scope.SINGLETON)
    module.bind(Ordering)
    return module.export(Ordering)

def needy(what) -> Module:
    return Module(what)

number = 3
app = NexiosApp(orders())
"""
ORDERING = """\
class Clock: ...
class Ordering:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
"""


@pytest.fixture
def app(store: Files) -> Files:
    store.write("store/orders/application/ordering.py", ORDERING)
    store.write("store/main.py", MAIN)
    return store


def test_what_is_right_ends_with_0_and_counts(app: Files, nexios: Command) -> None:
    done = nexios("check", "store.main:app")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("wiring   ok: 2 modules, 2 objects, 0 entries; 0 without")
    assert "imports  ok: store\n" in done.output
    assert "waivers  none\n" in done.output
    assert "could be SINGLETON: Ordering is made in each request" in done.output


def test_attribute_may_be_left_out_and_a_module_function_is_called(
    app: Files, nexios: Command
) -> None:
    assert nexios("check", "store.main").output == nexios("check", "store.main:app").output
    done = nexios("check", "store.main:orders")
    assert done.exit_code == 0
    assert done.output.startswith("wiring   ok: 1 module, 2 objects, 0 entries")


def test_all_wiring_problems_are_printed_and_end_with_1(app: Files, nexios: Command) -> None:
    wrong = MAIN.replace("    module.bind(Clock, scope=Scope.SINGLETON)\n", "")
    app.write("store/main.py", wrong.replace('Module("orders")', 'Module("orders").export(str)'))
    done = nexios("check", "store.main:app")
    assert done.exit_code == 1
    assert done.output.startswith("wiring   2 problems\n1. NX212 ")
    assert "2. NX203 nothing provides Clock\n" in done.output
    assert "fix: orders.bind(Clock)" in done.output
    assert "imports  ok: store\n" in done.output


def test_one_wiring_problem_is_numbered_too(app: Files, nexios: Command) -> None:
    app.write("store/main.py", MAIN.replace("    module.bind(Clock, scope=Scope.SINGLETON)\n", ""))
    done = nexios("check", "store.main:app")
    assert done.exit_code == 1
    assert done.output.startswith("wiring   1 problem\n1. NX203 nothing provides Clock\n")


def test_import_findings_end_with_1(app: Files, nexios: Command) -> None:
    app.write("store/orders/domain/order.py", "import anyio\n")
    done = nexios("check", "store.main:app")
    assert done.exit_code == 1
    assert "imports  1 finding in store\nstore/orders/domain/order.py:1 NX104 " in done.output
    (app.root / "pyproject.toml").write_text('[tool.nexios]\ndomain_allows = ["anyio"]\n')
    assert nexios("check", "store.main:app").exit_code == 0


def test_waivers_of_modules_and_of_lines_are_listed_with_their_reasons(
    app: Files, nexios: Command
) -> None:
    app.write(
        "store/orders/domain/order.py",
        "import anyio  # nexios: allow NX104 because the port comes later\n",
    )
    app.write(
        "store/orders/application/ordering.py",
        "from store.orders.adapters.persistence.orders import Rows"
        "  # nexios: allow NX102 because tables move next\n"
        + ORDERING.replace("clock: Clock)", "clock: Clock, rows: Rows)"),
    )
    app.write("store/orders/adapters/persistence/orders.py", "class Rows: ...\n")
    allowed = (
        "    module.bind(Rows)\n    module.allow(Ordering, Rows, because='tables move next')\n"
    )
    app.write(
        "store/main.py",
        "from store.orders.adapters.persistence.orders import Rows\n"
        + MAIN.replace("    module.bind(Ordering)\n", f"    module.bind(Ordering)\n{allowed}"),
    )
    done = nexios("check", "store.main:app")
    assert done.exit_code == 0, done.output
    assert "waivers  3\n" in done.output
    assert "  store/main.py:10 allow(Ordering, Rows) because tables move next\n" in done.output
    assert "order.py:1 NX104 because the port comes later\n" in done.output


def test_json_says_the_same_to_programs(app: Files, nexios: Command) -> None:
    app.write("store/main.py", MAIN.replace("    module.bind(Clock, scope=Scope.SINGLETON)\n", ""))
    app.write("store/orders/domain/order.py", "import anyio\n")
    done = nexios("check", "store.main:app", "--format", "json")
    assert done.exit_code == 1
    document = json.loads(done.output)
    assert document["passed"] is False
    (problem,) = document["wiring"]["problems"]
    assert problem["code"] == "NX203"
    assert problem["key"] == "Clock"
    assert problem["path"][0]["where"] == "store/orders/application/ordering.py:3"
    (finding,) = document["imports"]["findings"]
    assert (finding["code"], finding["line"]) == ("NX104", 1)


def test_json_of_what_is_right(app: Files, nexios: Command) -> None:
    document = json.loads(nexios("check", "store.main:app", "--format", "json").output)
    assert document["passed"] is True
    assert document["wiring"]["counts"] == {"module": 2, "object": 2, "entry": 0}
    kinds = [hint["kind"] for hint in document["hints"]]
    assert kinds == ["unused export", "could be SINGLETON"]


def test_package_alone_has_its_imports_checked(app: Files, nexios: Command) -> None:
    done = nexios("check", "store")
    assert done.exit_code == 0
    assert done.output.startswith("imports  ok: store\n")


def test_one_file_has_no_imports_to_check_and_its_objects_no_layer(
    app: Files, nexios: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app.root / "alone.py").write_text(ORDERING + MAIN.replace(
        "from store.orders.application.ordering import Clock, Ordering\n", ""
    ))  # fmt: skip
    done = nexios("check", "alone:app")
    monkeypatch.delitem(sys.modules, "alone")
    assert done.exit_code == 0
    assert "; 2 without a layer\n" in done.output
    assert "imports  not read: alone is one file, no package\n" in done.output


def test_without_grimp_the_imports_are_skipped_with_the_line_that_installs_it(
    app: Files, nexios: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "grimp", None)
    done = nexios("check", "store.main:app")
    assert done.exit_code == 0
    assert 'fix: pip install "nexios[check]"' in done.output


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("store.mian:app", 'there is no module "store.mian"'),
        ("store.main:ap", "fix: nexios check store.main:app"),
        ("store.main:number", "of type int, no NexiosApp, Container or Module"),
        ("store.main:needy", "of type function, no NexiosApp"),
        ("store/main.py", "fix: nexios check store.main:app"),
    ],
)
def test_what_names_nothing_ends_with_2(
    app: Files, nexios: Command, target: str, says: str
) -> None:
    done = nexios("check", target)
    assert done.exit_code == 2
    assert says in done.output
    assert "Traceback" not in done.output


def test_import_linter_prints_contracts_and_checks_nothing(app: Files, nexios: Command) -> None:
    app.write("store/orders/domain/order.py", "import anyio\n")
    done = nexios("check", "store.main:app", "--import-linter")
    assert done.exit_code == 0
    assert 'root_package = "store"' in done.output
    assert "NX104: the domain imports no third-party code" in done.output


def test_layers_that_the_application_declares_hold_for_its_imports(
    app: Files, nexios: Command
) -> None:
    app.write("store/core/rules.py", "import anyio\n")
    assert nexios("check", "store.main:app").exit_code == 0
    declared = 'NexiosApp(orders(), layers={"store.core": Layer.DOMAIN})'
    app.write("store/late.py", "from nexios.layers import Layer\n" + MAIN.replace(
        "NexiosApp(orders())", declared
    ))  # fmt: skip
    done = nexios("check", "store.late:app")
    assert done.exit_code == 1
    assert "store/core/rules.py:1 NX104" in done.output


@pytest.mark.parametrize(("package", "says"), [
    ("store.orders", "store.orders is inside of store"), ("nowhere", "nowhere"),
])  # fmt: skip
def test_package_that_is_none_ends_with_2(
    app: Files, nexios: Command, package: str, says: str
) -> None:
    done = nexios("check", "store.main:app", "--package", package)
    assert done.exit_code == 2
    assert says in done.output


def test_an_error_of_the_users_own_code_comes_through(app: Files, nexios: Command) -> None:
    app.write("store/main.py", "1 / 0\n")
    assert isinstance(nexios("check", "store.main:app").exception, ZeroDivisionError)


def test_sockets_that_leave_something_open_are_listed(app: Files, nexios: Command) -> None:
    socket = """
@app.websocket("/ws", receives=str)
async def talk(websocket): ...
"""
    app.write("store/main.py", MAIN + socket)

    done = nexios("check", "store.main:app")

    assert done.exit_code == 0, done.output
    assert "untyped  1 socket in the AsyncAPI document\n" in done.output
    assert "main.py:16 WEBSOCKET /ws\n    what it sends: sends=, () for nothing" in done.output
    (listed,) = json.loads(nexios("check", "store.main:app", "--format", "json").output)["untyped"]
    assert listed["socket"] == "WEBSOCKET /ws"
    told = MAIN + socket.replace("receives=str", "receives=str, sends=()")
    app.write("store/told.py", told)
    assert "untyped" not in nexios("check", "store.told:app").output


SOCKETS = """
from collections.abc import AsyncIterator, Iterator

from nexios import Depend, Module, NexiosApp, Scope, WebSocketController


class Session:
    pass


async def session() -> AsyncIterator[Session]:
    yield Session()


class Rooms:
    def __init__(self, session: Session) -> None: ...


class Line:
    pass


def line() -> Iterator[Line]:
    yield Line()


module = Module("rooms")
module.bind(Session).to(session)
module.bind(Rooms)
module.bind(Line, scope=Scope.CONNECTION).to(line)


class Talk(WebSocketController, path="/talk"):
    async def on_message(self, message: str, rooms: Rooms = Depend()) -> None: ...


app = NexiosApp(module.export(Session, Rooms, Line).controllers(Talk))


@app.websocket("/ws/{room}")
async def room(websocket, room: str, rooms: Rooms = Depend(), line: Line = Depend()) -> None:
    await websocket.accept()


@app.get("/rooms")
async def rooms(rooms: Rooms = Depend()) -> str:
    return ""
"""


def test_a_long_lived_generator_in_a_socket_function_is_hinted_with_both_cures(
    app: Files, nexios: Command
) -> None:
    app.write("rooms/main.py", SOCKETS)
    done = nexios("check", "rooms.main:app", "--format", "json")
    document = json.loads(done.output)
    assert document["passed"] is True, done.output
    (hint,) = [one for one in document["hints"] if one["kind"] == "held for long"]
    # Not for the controller, nor for the request, nor for what is made to last as long.
    assert hint["says"].startswith("WEBSOCKET /ws/{room} keeps Session open")
    assert "async with websocket.message() as scope" in hint["fix"]
    assert "WebSocketController" in hint["fix"]
    assert hint["where"].startswith("rooms/main.py:")

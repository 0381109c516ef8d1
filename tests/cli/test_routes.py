"""`nexios routes`: who may pass where, printed."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from tests.support.store import Files

Command = Callable[..., Result]

MAIN = """\
from nexios import MakeConfig, Module, NexiosApp
from nexios.application.grants import Roles
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.decorator import auth, has_permission, public
from nexios.auth.middleware import AuthenticationMiddleware

module = Module("main")
module.bind(Roles).value(Roles({"clerk": {"permissions": ["orders:*"]}, "guest": {}}))
app = NexiosApp(module, config=MakeConfig(secret_key="0123456789abcdef" * 4))
app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))

@app.get("/")
@public
async def index(request, response): ...

@app.post("/orders", guards=[has_permission("orders:write")])
async def order(request, response): ...

@app.websocket("/ws", guards=[auth("jwt")])
async def ws(websocket): ...

@app.get("/open")
async def opened(request, response): ...

wrong = NexiosApp(config=MakeConfig(auth={"deny_by_default": True}))
wrong.get("/")(opened)
"""


@pytest.fixture(autouse=True)
def _written(store: Files) -> None:
    store.write("store/main.py", MAIN)


def test_text_tells_who_may_pass(nexios: Command) -> None:
    result = nexios("routes", "store.main:app")

    assert result.exit_code == 0, result.output
    assert result.output == (
        "GET        /        everybody\n"
        "GET        /open    everybody (not marked)\n"
        "POST       /orders  may orders:write  [clerk]\n"
        "WEBSOCKET  /ws      proven by jwt\n"
    )


def test_json_is_for_programs(nexios: Command) -> None:
    listed = json.loads(nexios("routes", "store.main:app", "--format", "json").output)

    assert [(one["path"], one["guarded"], one["public"]) for one in listed] == [
        ("/", False, True),
        ("/open", False, False),
        ("/orders", True, False),
        ("/ws", True, False),
    ]
    assert listed[2].pop("where") == "store/main.py:16"
    assert listed[2] == {
        "methods": ["POST"],
        "path": "/orders",
        "who": "may orders:write",
        "public": False,
        "guarded": True,
        "roles": ["clerk"],
    }


def test_what_refuses_the_start_is_printed(nexios: Command) -> None:
    result = nexios("routes", "store.main:wrong")

    assert result.exit_code == 1
    assert "auth.deny_by_default is on, and 1 route stands without a guard" in result.output


def test_a_module_has_no_routes(nexios: Command) -> None:
    result = nexios("routes", "store.main:module")

    assert result.exit_code == 2
    assert 'Error: "store.main:module" is no NexiosApp, so it has no routes' in result.output

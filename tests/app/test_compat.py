"""Old addresses of 2.11: each is found, warns once, and is the very object of its new home."""

import importlib
import subprocess
import sys
import warnings
from http import HTTPStatus
from importlib.util import find_spec

import pytest

import nexios
from nexios.compat import ADDRESSES, MOVED, install, status_codes

TO_COME: frozenset[str] = frozenset()  # homes that are planned and not built yet
# http.md, 10.
PLANNED = (
    "application",
    *("http.request", "http.response", "http.formparsers", "config.base", "dependencies"),
    *("converters", "structs", "objects", "types", "status", "views", "static", "templating"),
    *("templating.middleware", "templating.utils", "pagination", "events", "decorators", "hooks"),
    *("session.base", "session.file", "session.middleware", "session.signed_cookies"),
    *("middleware.utils", "openapi.config", "openapi.models", "auth.base", "auth.model"),
    *("auth.users.base", "auth.users.simple", "auth.decorators"),
    *("utils.pydantic", "utils.concurrency"),
    *("routing.http", "routing.grouping", "routing.websocket"),
)


def absent(home: str) -> bool:
    """Tell whether a home is not built yet; a home that nobody plans is a mistake here."""
    try:
        there = find_spec(home) is not None
    except ModuleNotFoundError:
        there = False
    assert there or home in TO_COME, f"{home} does not exist"
    return not there


def forget(address: str) -> None:
    """Let the next import of ``address`` be the first one."""
    sys.modules.pop(address, None)


@pytest.mark.parametrize("address", sorted(ADDRESSES))
def test_old_addresses(address: str) -> None:
    forget(address)
    with pytest.warns(DeprecationWarning, match=r"is an address of Nexios 2\.11") as told:
        old = importlib.import_module(address)
    mine = [one for one in told if one.category is DeprecationWarning]
    assert len(mine) == 1
    assert address in str(mine[0].message)
    for name, (home, new) in ADDRESSES[address].items():
        assert name in dir(old)
        if absent(home):
            continue
        there = importlib.import_module(home)
        assert getattr(old, name) is getattr(there, new), name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert importlib.import_module(address) is old
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = old.nothing


def test_every_planned_address_is_in_the_table() -> None:
    known = set(ADDRESSES) | set(MOVED) | {"nexios.status"}
    assert {f"nexios.{address}" for address in PLANNED} <= known


def test_the_warning_names_the_line_that_imports() -> None:
    forget("nexios.views")
    with pytest.warns(DeprecationWarning, match=r"nexios\.views") as told:
        import nexios.views  # noqa: F401
    assert told[0].filename == __file__


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, names in MOVED.items() for n in names])
def test_what_moved_away_from_a_module_of_ours(module: str, name: str) -> None:
    place = importlib.import_module(module)
    vars(place).pop(name, None)
    with pytest.warns(DeprecationWarning, match=rf"{module}\.{name} is an address") as told:
        found = getattr(place, name)
    assert told[0].filename == __file__
    assert found is nexios.NexiosApp
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert getattr(place, name) is found
    with pytest.raises(AttributeError):
        _ = place.nothing


def test_get_application_makes_an_application() -> None:
    vars(nexios).pop("get_application", None)
    with pytest.warns(DeprecationWarning, match="NexiosApp"):
        make = nexios.get_application
    app = make(config=nexios.MakeConfig(), title="Old", routes=None, dependencies=None)
    assert app.title == "Old"


def test_status_codes_are_plain_numbers() -> None:
    forget("nexios.status")
    with pytest.warns(DeprecationWarning, match="HTTPStatus"):
        from nexios import status
    assert status.HTTP_404_NOT_FOUND == 404
    assert type(status.HTTP_200_OK) is int
    assert status.WS_1008_POLICY_VIOLATION == 1008
    known = {int(one) for one in HTTPStatus}
    assert {n for n in status_codes().values() if n < 1000} - {306} <= known


def test_installed_once_and_only_for_us() -> None:
    before = list(sys.meta_path)
    install()
    assert sys.meta_path == before
    assert find_spec("nexios.nothing_of_this_name") is None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("nexios.http.nothing")


def test_old_addresses_cost_nothing_until_they_are_imported() -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "import nexios, nexios.application, nexios.config\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name for name in done.stdout.split() if name in ADDRESSES}


def test_a_module_of_ours_keeps_its_source_and_loader() -> None:
    import inspect

    import nexios.application

    assert "Use cases and ports" in inspect.getsource(nexios.application)
    assert nexios.application.__file__ is not None

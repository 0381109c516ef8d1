"""Wiring mistakes: all at once, before the first request, each with who asked and the fix."""

from typing import Protocol

import pytest

from nexios import Controller, Depend, Module, NexiosApp, get
from nexios.container.errors import MissingBinding, WiringErrors
from nexios.proving import SetupErrors


class Mailer(Protocol):
    def send(self, to: str) -> None: ...


class Clerk:
    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer


class Desk(Controller, path="/desk"):
    def __init__(self, clerk: Clerk) -> None:
        self.clerk = clerk

    @get("/{number:int}")
    async def show(self, number: int) -> str:
        return str(number)


def test_missing_binding_shows_the_path_from_the_route_and_the_line_to_add() -> None:
    office = Module("office")
    office.bind(Clerk)
    office.controllers(Desk)
    app = NexiosApp(office)

    with pytest.raises(MissingBinding) as refusal:
        app.check()

    text = str(refusal.value)
    assert "nothing provides Mailer" in text
    assert "Clerk.__init__(mailer)" in text
    assert "test_wiring.py:" in text
    assert "GET /desk/{number:int}" in text
    assert "office.bind(Mailer).to(" in text


def test_all_mistakes_of_wiring_and_routes_are_shown_together() -> None:
    app = NexiosApp()

    @app.get("/a")
    async def first(mailer: Mailer = Depend()) -> None: ...

    @app.get("/b")
    async def second(clerk: Clerk = Depend()) -> None: ...

    @app.get("/a")
    async def again() -> None: ...

    with pytest.raises(SetupErrors) as refusal:
        app.check()

    text = str(refusal.value)
    assert "problems in routes and wiring" in text.splitlines()[0]
    assert "\n1. " in text
    assert "nothing provides Mailer" in text
    names = sorted(type(error).__name__ for error in refusal.value.exceptions)
    assert "DuplicateRoute" in names
    assert names.count("MissingBinding") >= 1


def test_several_wiring_mistakes_alone_are_one_container_error() -> None:
    office = Module("office")
    office.bind(Clerk)

    class Other:
        def __init__(self, missing: "Unknown") -> None: ...

    office.bind(Other)
    with pytest.raises(WiringErrors) as refusal:
        NexiosApp(office).check()
    assert len(refusal.value.exceptions) == 2


class Unknown(Protocol):
    def ask(self) -> str: ...


def test_override_reaches_the_app_before_its_start() -> None:
    class Fake:
        def send(self, to: str) -> None: ...

    office = Module("office")
    office.bind(Mailer).to(Fake)
    office.export(Mailer)
    app = NexiosApp(office)

    @app.get("/mailer")
    async def which(mailer: Mailer = Depend()) -> str:
        return type(mailer).__name__

    from nexios.testing.client import TestClient

    class Other:
        def send(self, to: str) -> None: ...

    with TestClient(app) as client:
        assert client.get("/mailer").text == "Fake"
        with app.override(Mailer).to(Other):
            assert client.get("/mailer").text == "Other"
        assert client.get("/mailer").text == "Fake"

"""What people read when their wiring is wrong: culprit, path, fix, and nothing beside it."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from nexios import (
    Controller,
    Depend,
    Module,
    NexiosApp,
    Request,
    WebSocket,
    WebSocketController,
    get,
)
from nexios.application.events import Envelope
from nexios.application.handlers import after_commit
from nexios.application.use_cases import ApplicationService
from nexios.container.container import Container
from nexios.container.errors import ContainerError
from nexios.container.keys import Key
from nexios.container.scope import Scope
from nexios.domain.events import DomainEvent
from tests.container.mistakes.adapters.persistence.sessions import Session
from tests.container.mistakes.adapters.persistence.users import SqlUsers
from tests.container.mistakes.domain.users import Greeter, Users
from tests.support.golden import assert_golden


class RealUsers:
    def get(self, number: int, name: str) -> str:
        return name


class Stock(Protocol):
    async def take(self, sku: str) -> None: ...


class Stocks:
    """Spelled like the port, and nothing like it."""


class CatalogStock:
    async def take(self, sku: str) -> None: ...


class Placed(DomainEvent):
    number: str = ""


class Stocking(ApplicationService):
    def __init__(self, stock: Stock) -> None: ...

    @after_commit(Placed)
    async def take(self, event: Placed, envelope: Envelope) -> None: ...


class Greeting(Controller, path="/greeting"):
    def __init__(self, greeter: Greeter) -> None: ...

    @get("/{name}")
    async def show(self, name: str) -> str:
        return name


class Feed(WebSocketController, path="/feed"):
    takes = str

    def __init__(self, greeter: Greeter) -> None: ...

    async def on_message(self, websocket: WebSocket, message: str) -> None: ...


class Selling(ApplicationService):
    def __init__(self, users: SqlUsers) -> None: ...


class Reading(ApplicationService):
    def __init__(self, request: Request) -> None: ...


class Desk(Controller, path="/desk"):
    def __init__(self, session: AsyncSession) -> None: ...

    @get("/")
    async def show(self) -> str:
        return ""


class Holder:
    def __init__(self, users: Users) -> None: ...


class Left(Protocol):
    def left(self) -> None: ...


class Right:
    def __init__(self, left: Left) -> None: ...


class RealLeft:
    def __init__(self, right: Right) -> None: ...

    def left(self) -> None: ...


class Turning(Controller, path="/turn"):
    def __init__(self, right: Right) -> None: ...

    @get("/")
    async def turn(self) -> None: ...


class Part(ABC):
    @abstractmethod
    def work(self) -> None: ...


class Half(Part):
    pass


class Other:
    pass


class Configured:
    def __init__(self, host: str) -> None: ...


def refusal(app: NexiosApp) -> ContainerError:
    """Return the error of an application that must not start."""
    with pytest.raises(ContainerError) as found:
        app.check()
    return found.value


def handler_on_the_app_without_a_module() -> NexiosApp:
    app = NexiosApp()

    @app.get("/x")
    async def show(users: Users = Depend()) -> None: ...

    return app


def handler_on_the_app_beside_modules() -> NexiosApp:
    store, users = Module("store"), Module("users")
    users.bind(RealUsers)
    app = NexiosApp(store, users)

    @app.get("/x")
    async def show(users: Users = Depend()) -> None: ...

    return app


def handler_asking_for_a_private_class() -> NexiosApp:
    users = Module("users")
    users.bind(Greeter)
    users.bind(Users).to(RealUsers)
    app = NexiosApp(users)

    @app.get("/x")
    async def show(greeter: Greeter = Depend()) -> None: ...

    return app


def handler_asking_for_somebody_elses_class() -> NexiosApp:
    app = NexiosApp()

    @app.get("/x")
    async def show(session: AsyncSession = Depend()) -> None: ...

    return app


def exported_but_not_included() -> NexiosApp:
    users, web = Module("users"), Module("web")
    users.bind(Greeter)
    users.bind(Users).to(RealUsers)
    users.export(Greeter)
    web.controllers(Greeting)
    return NexiosApp(users, web)


def event_handler() -> NexiosApp:
    stock = Module("stock")
    for key in (Stocking, Stocks, CatalogStock):
        stock.bind(key)
    return NexiosApp(stock)


def socket_controller() -> NexiosApp:
    users = Module("users")
    users.bind(Greeter)
    users.bind(Users, scope=Scope.SINGLETON).to(RealUsers)
    users.controllers(Feed)
    return NexiosApp(users)


def service_asking_for_an_unbound_adapter() -> NexiosApp:
    users = Module("users")
    users.bind(Session)
    users.bind(Users).to(SqlUsers)
    users.bind(Selling)
    return NexiosApp(users)


def service_asking_for_the_request() -> NexiosApp:
    users = Module("users")
    users.bind(Reading)
    return NexiosApp(users)


def controller_asking_for_an_unbound_session() -> NexiosApp:
    desk = Module("desk")
    desk.controllers(Desk)
    return NexiosApp(desk)


def singleton_behind_a_port() -> NexiosApp:
    users = Module("users")
    users.bind(Users).to(RealUsers)

    @users.provides(scope=Scope.SINGLETON)
    def holder(users: Users) -> Holder:
        return Holder(users)

    return NexiosApp(users)


def circle_through_a_port() -> NexiosApp:
    turns = Module("turns")
    turns.bind(Left).to(RealLeft)
    turns.bind(Right)
    turns.controllers(Turning)
    return NexiosApp(turns)


def own_binding_beside_an_included_one() -> NexiosApp:
    inner, outer = Module("inner"), Module("outer")
    inner.bind(Users).to(RealUsers)
    inner.export(Users)
    outer.bind(Users).to(RealUsers)
    return NexiosApp(outer.include(inner))


def one_module_function_called_twice() -> NexiosApp:
    def users() -> Module:
        module = Module("users")
        module.bind(Users).to(RealUsers)
        return module.export(Users)

    web = Module("web")
    web.include(users(), users())
    web.bind(Greeter)
    return NexiosApp(web)


def sources_that_cannot_be() -> NexiosApp:
    parts = Module("parts")
    parts.bind(Part).to(Half)
    parts.bind(Part, replace=True).to(Other)  # type: ignore[arg-type]
    parts.bind(int).value("x")  # type: ignore[arg-type]

    @parts.provides()
    @contextlib.contextmanager
    def other() -> Iterator[Other]:
        yield Other()

    parts.bind(Configured, scope=Scope.SINGLETON)
    parts.bind(Stock, lazy=True).to(CatalogStock)
    return NexiosApp(parts)


def function_dependency_that_makes_a_context_manager() -> NexiosApp:
    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Other]:
        yield Other()

    app = NexiosApp()

    @app.get("/x")
    async def show(other: Any = Depend(opened)) -> None: ...

    return app


@pytest.mark.parametrize(
    "build",
    [
        handler_on_the_app_without_a_module,
        handler_on_the_app_beside_modules,
        handler_asking_for_a_private_class,
        handler_asking_for_somebody_elses_class,
        exported_but_not_included,
        event_handler,
        socket_controller,
        service_asking_for_an_unbound_adapter,
        service_asking_for_the_request,
        controller_asking_for_an_unbound_session,
        singleton_behind_a_port,
        circle_through_a_port,
        own_binding_beside_an_included_one,
        one_module_function_called_twice,
        sources_that_cannot_be,
        function_dependency_that_makes_a_context_manager,
    ],
)
def test_text_of(build: Callable[[], NexiosApp]) -> None:
    assert_golden(refusal(build()), f"{build.__name__}.txt", room="app")


def test_no_line_of_nexios_itself_is_shown() -> None:
    """Nobody mends his wiring there."""
    for build in (event_handler, socket_controller, service_asking_for_the_request):
        assert "subscriptions.py" not in (text := str(refusal(build())))
        assert "life.py" not in text
        assert "assembly.py" not in text


def test_what_binds_our_class_is_shown_where_our_class_asks() -> None:
    from nexios.adapters.persistence.database import Database
    from nexios.adapters.persistence.sql import SqlUnitOfWork
    from nexios.application.unit_of_work import UnitOfWork

    store = Module("store")
    store.bind(UnitOfWork).to(SqlUnitOfWork)
    with pytest.raises(ContainerError) as found:
        Container(Module("app").include(store)).validate()
    problems = getattr(found.value, "exceptions", [found.value])
    about = next(item for item in problems if item.key == Key(Database))
    assert str(about.asked_by[0].where).startswith("tests/app/test_texts.py:")


def test_circle_in_the_domain_is_not_mended_with_a_handle() -> None:
    """Domain and application import nothing of the container (NX106)."""
    turns = Module("turns")
    turns.bind(Left).to(RealLeft)
    turns.bind(Right)
    with pytest.raises(ContainerError) as found:
        Container(turns, layers=_domain("RealLeft", "Right")).validate()
    assert "Lazy" not in str(found.value)
    assert "domain event" in str(found.value)
    with pytest.raises(ContainerError) as found:
        Container(turns, layers=_domain("Right")).validate()
    assert "fix: right: Lazy[Right] in RealLeft.__init__" in str(found.value)


def _domain(*names: str) -> dict[str, Any]:
    from nexios.layers.rules import Layer

    return {f"{__name__}.{name}": Layer.DOMAIN for name in names}


def test_class_local_to_a_function_is_named_as_such() -> None:
    class Local:
        pass

    class Asks:
        def __init__(self, local: "Local") -> None: ...

    module = Module("m")
    module.bind(Asks)
    with pytest.raises(ContainerError, match="move it out of the function"):
        Container(module).validate()
    module.bind(Local)
    Container(module).validate()


def test_misspelled_hint_shows_what_is_near() -> None:
    class Asks:
        def __init__(self, users: "Greter") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    module = Module("m")
    module.bind(Asks)
    module.bind(Greeter)
    module.bind(Users).to(RealUsers)
    with pytest.raises(ContainerError) as found:
        Container(module).validate()
    assert "near: Greeter is bound" in str(found.value)

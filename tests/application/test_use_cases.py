from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from nexios.application import (
    ANONYMOUS,
    ApplicationError,
    ApplicationService,
    Caller,
    Envelope,
    Forbidden,
    KeyReused,
    OutcomeUnknown,
    Unavailable,
    UnitOfWork,
    after_commit,
    before_commit,
    subscribe,
    transactional,
)
from nexios.application.handlers import Handles, consumer_name, handlers_of
from nexios.domain import DomainEvent, InvalidValue

T = TypeVar("T")
pytestmark = pytest.mark.asyncio


class Noted(UnitOfWork):
    """Runs at once and remembers with which options."""

    def __init__(self) -> None:
        self.caller = ANONYMOUS
        self.options: list[dict[str, object]] = []

    async def run(self, work: Callable[[], Awaitable[T]], **options: object) -> T:  # type: ignore[override]
        self.options.append(options)
        return await work()


class Happened(DomainEvent, name="test.happened"):
    n: int = 0


class Other(DomainEvent, name="test.other"):
    pass


class Service(ApplicationService):
    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow
        self.seen: list[object] = []

    @transactional
    async def plain(self, a: int, *, b: int = 2) -> int:
        """Doc."""
        return a + b

    @transactional(retries=5, isolation="serializable", read_only=True, timeout_s=3)
    async def tuned(self) -> None: ...

    @before_commit(Happened)
    async def inside(self, event: Happened, envelope: Envelope) -> None:
        self.seen.append(("inside", event))

    @after_commit(Happened)
    async def later(self, event: Happened, envelope: Envelope) -> None:
        self.seen.append(("later", event))

    @after_commit(Other, name="old.name", on_dead="block", timeout_s=5, attempts=2)
    @after_commit(Happened, name="second")
    async def both(self, event: DomainEvent, envelope: Envelope) -> None: ...


async def test_a_use_case_runs_in_the_unit_of_work_and_keeps_its_face() -> None:
    uow = Noted()
    service = Service(uow)
    assert await service.plain(1, b=5) == 6
    assert Service.plain.__name__ == "plain"
    assert Service.plain.__doc__ == "Doc."
    assert uow.options == [
        {
            "retries": 2,
            "isolation": None,
            "read_only": False,
            "timeout_s": None,
            "name": "Service.plain",
            "once": None,
        }
    ]


async def test_options_reach_the_unit_of_work() -> None:
    uow = Noted()
    await Service(uow).tuned()
    assert uow.options[0]["isolation"] == "serializable"
    assert (uow.options[0]["retries"], uow.options[0]["timeout_s"]) == (5, 3)


async def test_a_service_without_unit_of_work_is_told_what_to_write() -> None:
    class Forgot(ApplicationService):
        @transactional
        async def act(self) -> None: ...

    with pytest.raises(TypeError, match=r"Forgot\.act finds no unit of work in self\.uow"):
        await Forgot().act()


async def test_mistakes_in_the_decoration_are_refused_at_import() -> None:
    with pytest.raises(TypeError, match="must be an async def"):

        @transactional  # type: ignore[type-var]
        def plain(self: Service) -> None: ...

    with pytest.raises(ValueError, match="isolation is one of"):
        transactional(isolation="chaos")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="retries"):
        transactional(retries=-1)
    for timeout_s in (0, -1.0):
        with pytest.raises(ValueError, match="timeout_s above 0"):
            transactional(timeout_s=timeout_s)
    with pytest.raises(ValueError, match="drop it or read_only=True"):
        transactional(once=True, read_only=True)
    with pytest.raises(TypeError, match="no annotation for number, the result"):

        @transactional(once=True)
        async def bare(self: Service, number): ...  # type: ignore[no-untyped-def]

    with pytest.raises(TypeError, match="any number of arguments"):

        @transactional(once=True)
        async def spread(self: Service, *numbers: str) -> None: ...


async def test_mistakes_in_handlers_are_refused_at_import() -> None:
    with pytest.raises(TypeError, match="async def"):

        @after_commit(Happened)  # type: ignore[arg-type]
        def plain(self: Service, event: Happened, envelope: Envelope) -> None: ...

    with pytest.raises(TypeError, match="must take"):

        @before_commit(Happened)  # type: ignore[arg-type]
        async def short(self: Service, event: Happened) -> None: ...

    with pytest.raises(TypeError, match="no DomainEvent"):

        @before_commit(int)  # type: ignore[type-var]
        async def wrong(self: Service, event: int, envelope: Envelope) -> None: ...

    with pytest.raises(ValueError, match="on_dead"):
        after_commit(Happened, on_dead="explode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="attempts"):
        after_commit(Happened, attempts=0)


async def test_handlers_are_found_in_order_of_definition() -> None:
    assert [(name, marks.event_type) for name, marks in handlers_of(Service)] == [
        ("inside", Happened),
        ("later", Happened),
        ("both", Happened),
        ("both", Other),
    ]


async def test_a_replaced_method_without_mark_handles_nothing() -> None:
    class Quiet(Service):
        async def later(self, event: Happened, envelope: Envelope) -> None: ...

    assert "later" not in [name for name, _ in handlers_of(Quiet)]
    assert "inside" in [name for name, _ in handlers_of(Quiet)]


async def test_subscribe_reads_finished_services() -> None:
    subscribers = subscribe(Service(Noted()))
    assert len(subscribers.before(Happened)) == 1
    assert subscribers.before(Other) == ()
    names = [consumer.name for consumer in subscribers.consumers(Happened)]
    assert names == [f"{__name__}.Service.later", "second"]
    (other,) = subscribers.consumers(Other)
    assert (other.name, other.on_dead, other.timeout_s, other.attempts) == (
        "old.name",
        "block",
        5,
        2,
    )


async def test_two_consumers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match='two consumers are named "second"'):
        subscribe(Service(Noted()), type("Again", (Service,), {"__module__": "x"})(Noted()))


async def test_consumer_names_use_the_module_that_binds() -> None:
    assert consumer_name(Service, "later", Handles(Happened, None), "shop") == "shop.Service.later"  # type: ignore[arg-type]


async def test_errors_have_stable_codes_and_texts_for_clients() -> None:
    assert Forbidden().code == "forbidden"
    assert Forbidden().message == "not allowed"
    assert Unavailable(retry_after_s=2).retry_after_s == 2
    # No key is looked at in this version: repeating blindly would do it twice.
    assert "may or may not have happened" in OutcomeUnknown().message
    assert "Idempotency-Key" not in OutcomeUnknown().message
    assert isinstance(KeyReused(), InvalidValue)
    assert ApplicationError("x", code="y", a=1).details == {"a": 1}


async def test_the_anonymous_caller_is_nobody() -> None:
    assert ANONYMOUS.anonymous
    assert not Caller(actor="ann").anonymous

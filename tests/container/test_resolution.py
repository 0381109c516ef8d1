"""What is asked is made once in its scope, with what its signature says."""

import functools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NewType, Protocol, TypeVar

import anyio
import pytest

from nexios.container import registry, resolving
from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy, Provider, Scopes
from nexios.container.errors import (
    MarkerNotResolved,
    MissingBinding,
    NeedsAwait,
    UnreadableParameter,
)
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from tests.container.mistakes import late
from tests.support.golden import assert_golden
from tests.support.wiring import FromValues, module_of, point, run

if TYPE_CHECKING:
    from collections import OrderedDict

    from elsewhere import Elsewhere  # type: ignore[import-not-found]

pytestmark = pytest.mark.anyio


T = TypeVar("T")
UserId = NewType("UserId", int)


class Clock:
    pass


class Service:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock


class Both:
    def __init__(self, service: Service, clock: Clock) -> None:
        self.service, self.clock = service, clock


async def test_same_key_asked_twice_in_one_request_is_one_object() -> None:
    async with (
        Container(module_of(Clock, Service, Both)) as container,
        container.enter() as scope,
    ):
        both = await scope.get(Both)
        assert both.service.clock is both.clock
        assert await scope.get(Service) is both.service
        assert scope.get_now(Clock) is both.clock


async def test_two_concurrent_requests_never_share_a_request_object() -> None:
    module = module_of(Service)
    arrived: list[Clock] = []
    everyone = anyio.Event()

    @module.provides()
    async def clock() -> AsyncIterator[Clock]:
        made = Clock()
        arrived.append(made)
        if len(arrived) == 5:
            everyone.set()
        await everyone.wait()
        yield made

    seen: list[Clock] = []

    async def request(container: Container) -> None:
        async with container.enter() as scope:
            first = (await scope.get(Service)).clock
            await anyio.lowlevel.checkpoint()
            assert await scope.get(Clock) is first
            seen.append(first)

    async with Container(module) as container, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(request, container)
    assert len(set(map(id, seen))) == 5


async def test_keep_alive_second_request_gets_new_objects() -> None:
    async with Container(module_of(Clock)) as container:
        made = []
        for _ in range(2):
            async with container.enter() as scope:
                made.append(await scope.get(Clock))
    assert made[0] is not made[1]


@pytest.mark.parametrize("child_first", [True, False])
async def test_child_tasks_of_a_request_share_its_scope_whoever_asks_first(
    child_first: bool,
) -> None:
    seen: list[Clock] = []

    async def child(scope: ScopeContext) -> None:
        seen.append(await scope.get(Clock))

    async with Container(module_of(Clock)) as container, container.enter() as scope:
        if not child_first:
            seen.append(await scope.get(Clock))
        async with anyio.create_task_group() as group:
            group.start_soon(child, scope)
            group.start_soon(child, scope)
        seen.append(await scope.get(Clock))
    assert len(set(map(id, seen))) == 1


async def test_transient_is_new_for_every_asker_even_inside_one_plan() -> None:
    class Left:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

    class Top:
        def __init__(self, left: Left, clock: Clock, again: Clock) -> None:
            self.clocks = {id(left.clock): left.clock, id(clock): clock, id(again): again}

    module = module_of(Left, Top)
    module.bind(Clock, scope=Scope.TRANSIENT)
    async with Container(module) as container, container.enter() as scope:
        assert len((await scope.get(Top)).clocks) == 3


class Flag:
    pass


async def times_made(value: object, scope_of_it: Scope) -> int:
    """Return how often a factory of ``value`` runs when it is asked twice."""
    made: list[object] = []

    def flag() -> Any:
        made.append(value)
        return value

    module = Module("app")
    module.bind(Flag, scope=scope_of_it).to(flag)
    async with Container(module) as container, container.enter() as scope:
        assert await scope.get(Flag) is value
        assert scope.get_now(Flag) is value
        if scope_of_it is Scope.SINGLETON:
            assert await container.get(Flag) is value
    return len(made)


@pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.CONNECTION, Scope.REQUEST])
async def test_factory_returning_none_is_cached_like_any_value(scope: Scope) -> None:
    assert await times_made(None, scope) == 1


@pytest.mark.parametrize("value", [0, "", False, ()])
@pytest.mark.parametrize("scope", [Scope.SINGLETON, Scope.REQUEST])
async def test_falsy_values_zero_empty_false_are_cached(value: object, scope: Scope) -> None:
    assert await times_made(value, scope) == 1


class Promise:
    """An awaitable service."""

    def __await__(self) -> Any:
        raise AssertionError("awaited")


async def test_awaitable_service_instance_is_not_awaited() -> None:
    class Holder:
        def __init__(self, promise: Promise) -> None:
            self.promise = promise

    for scope_of_it in (Scope.REQUEST, Scope.TRANSIENT):
        module = module_of(Holder)
        module.bind(Promise, scope=scope_of_it)
        async with Container(module) as container, container.enter() as scope:
            assert isinstance((await scope.get(Holder)).promise, Promise)
            assert isinstance(await scope.get(Promise), Promise)


async def test_coroutine_object_as_value_passes_through() -> None:
    async def work() -> int:
        return 7

    class Work(Protocol):
        def __await__(self) -> Any: ...

    class Holder:
        def __init__(self, work: Work) -> None:
            self.work = work

    coroutine = work()
    module = module_of(Holder)
    module.bind(Work).value(coroutine)
    async with Container(module) as container, container.enter() as scope:
        holder = await scope.get(Holder)
        assert holder.work is coroutine
        assert await coroutine == 7


async def test_optional_parameter_without_binding_gets_none() -> None:
    class Asker:
        def __init__(self, clock: Clock | None) -> None:
            self.clock = clock

    async with Container(module_of(Asker)) as container, container.enter() as scope:
        assert (await scope.get(Asker)).clock is None
        assert await scope.get(Clock | None) is None
    async with Container(module_of(Asker, Clock)) as container, container.enter() as scope:
        assert (await scope.get(Asker)).clock is await scope.get(Clock)


async def test_parameter_default_used_when_nothing_provides() -> None:
    fallback = Clock()

    class Asker:
        def __init__(self, clock: Clock = fallback, size: int = 3) -> None:
            self.clock, self.size = clock, size

    async with Container(module_of(Asker)) as container, container.enter() as scope:
        asker = await scope.get(Asker)
        assert (asker.clock, asker.size) == (fallback, 3)


async def test_default_is_ignored_when_a_binding_exists() -> None:
    fallback = Clock()

    class Asker:
        def __init__(self, clock: Clock = fallback) -> None:
            self.clock = clock

    async with Container(module_of(Asker, Clock)) as container, container.enter() as scope:
        assert (await scope.get(Asker)).clock is not fallback


async def test_newtype_keys_resolve_apart_from_their_base() -> None:
    class Asker:
        def __init__(self, user: UserId, count: int = 9) -> None:
            self.user, self.count = user, count

    module = module_of(Asker)
    module.bind(UserId).value(UserId(4))
    async with Container(module) as container, container.enter() as scope:
        asker = await scope.get(Asker)
        assert (asker.user, asker.count) == (4, 9)


async def test_string_annotations_and_future_import_resolve() -> None:
    class Inner:
        pass

    class Asker:
        def __init__(self, clock: "Clock", many: "list[Clock]", inner: "Inner") -> None:
            self.clock, self.many = clock, many

        inner = Inner

    async with Container(module_of(Asker, Clock, Inner)) as container, container.enter() as scope:
        assert (await scope.get(Asker)).clock is await scope.get(Clock)

    module = module_of(late.Late, late.Attributes, late.Inner)
    module.bind(Key(late.Inner, "hot"))
    module.provides()(late.made)
    async with Container(module) as container, container.enter() as scope:
        made = await scope.get(late.Late)
        assert made.inner is await scope.get(late.Inner)
        assert made.maybe is await scope.get(late.Other)
        assert made.hot is await scope.get(Key(late.Inner, "hot"))
        assert made.many == []
        assert (await scope.get(late.Attributes)).inner is made.inner


async def test_name_imported_only_for_type_checkers_is_resolved_from_registered_keys_or_named_in_the_error() -> (  # noqa: E501  # the design's name
    None
):
    import collections

    class Asker:
        def __init__(self, ordered: "OrderedDict") -> None:  # type: ignore[type-arg]
            self.ordered = ordered

    value: Any = collections.OrderedDict(a=1)
    module = module_of(Asker)
    module.bind(collections.OrderedDict).value(value)
    async with Container(module) as container, container.enter() as scope:
        assert (await scope.get(Asker)).ordered is value

    class Lost:
        def __init__(self, other: "Elsewhere") -> None: ...

    with pytest.raises(UnreadableParameter, match="no Elsewhere is known") as refusal:
        Container(module_of(Lost)).validate()
    assert "import Elsewhere at run time" in refusal.value.fix

    with pytest.raises(UnreadableParameter) as refusal:
        Container(module_of(late.Unread)).validate()
    assert_golden(refusal.value, "imported_for_type_checkers.txt")


async def test_positional_only_keyword_only_and_var_parameters() -> None:
    class Asker:
        def __init__(
            self,
            first: int = 1,
            clock: Clock | None = None,
            /,
            *rest: int,
            late: Service,
            **more: int,
        ) -> None:
            self.all = (first, clock, rest, late, more)

    async with (
        Container(module_of(Asker, Clock, Service)) as container,
        container.enter() as scope,
    ):
        first, clock, rest, late, more = (await scope.get(Asker)).all
        assert (first, rest, more) == (1, (), {})
        assert clock is late.clock


@dataclass(frozen=True, slots=True)
class Frozen:
    clock: Clock
    size: int = 2


class Slotted:
    __slots__ = ("clock",)
    clock: Clock


async def test_dataclass_attrs_and_slots_classes_are_wired() -> None:
    attrs = pytest.importorskip("attrs", reason="attrs is not installed")

    class Plain:
        clock: Clock
        size: int = 5

    by_attrs = attrs.frozen(Plain)
    async with (
        Container(module_of(Frozen, Slotted, by_attrs, Clock)) as container,
        container.enter() as scope,
    ):
        frozen, slotted = await scope.get(Frozen), await scope.get(Slotted)
        of_attrs = await scope.get(by_attrs)
        assert frozen.clock is slotted.clock is of_attrs.clock
        assert (frozen.size, of_attrs.size) == (2, 5)


class Base:
    clock: Clock
    kind = "base"
    limit: int = 3


class Derived(Base):
    service: Service


class Implicit(Protocol):
    def run(self) -> int: ...


class FromProtocol(Implicit):
    clock: Clock

    def run(self) -> int:
        return 1


async def test_annotated_attributes_of_a_class_without_init_are_wired() -> None:
    async with (
        Container(module_of(Derived, FromProtocol, Service, Clock)) as container,
        container.enter() as scope,
    ):
        derived = await scope.get(Derived)
        assert derived.clock is derived.service.clock
        assert (derived.kind, derived.limit) == ("base", 3)
        assert (await scope.get(FromProtocol)).clock is derived.clock


async def test_parameter_with_double_underscore_name_is_passed_intact() -> None:
    class Asker:
        def __init__(self, *, user__id: UserId, db__clock: Clock) -> None:
            self.both = (user__id, db__clock)

    module = module_of(Asker, Clock)
    module.bind(UserId).value(UserId(5))
    async with Container(module) as container, container.enter() as scope:
        assert (await scope.get(Asker)).both == (5, await scope.get(Clock))


async def test_binding_named_like_a_container_method_is_harmless() -> None:
    override = type("override", (), {})
    providers = type("providers", (), {})
    async with (
        Container(module_of(override, providers)) as container,
        container.enter() as scope,
    ):
        assert isinstance(await scope.get(override), override)
        assert isinstance(await scope.get(providers), providers)


async def test_unannotated_default_marker_is_resolved() -> None:
    async def ping(clock=Depend(Clock)) -> Any:  # type: ignore[no-untyped-def]
        return clock

    entry_point = point(ping)
    async with Container(module_of(Clock), entries=[entry_point]) as container:
        assert isinstance(await run(container.entry(entry_point)), Clock)


async def test_all_ways_to_mark_are_the_same() -> None:
    async def show(
        a: Clock = Depend(),
        b=Depend(Clock),  # type: ignore[no-untyped-def]
        *,
        c: Annotated[Clock, Depend()],
        d: Annotated[Any, Depend(Clock)] = None,
        e: Clock | None = Depend(),
    ) -> Any:
        return {id(a), id(b), id(c), id(d), id(e)}

    entry_point = point(show)
    async with Container(module_of(Clock), entries=[entry_point]) as container:
        assert len(await run(container.entry(entry_point))) == 1


class Time(Protocol):
    def now(self) -> int: ...


class Store(Protocol[T]):
    def find(self) -> T: ...


def made_now() -> str:
    return ""


async def made_later() -> AsyncIterator[Clock]:
    yield Clock()


def maybe() -> Clock | None:
    return None


def counted() -> int:
    return 3


@pytest.mark.parametrize(
    ("annotation", "asked", "says"),
    [
        (Clock, Service, "annotated Clock and marked Depend(Service)"),
        (Clock | None, Service, "annotated Clock and marked Depend(Service)"),
        (Annotated[Clock, "doc"], Service, "annotated Clock and marked Depend(Service)"),
        (Clock, Key(Service, "x"), "annotated Clock and marked Depend(Key(Service, 'x'))"),
        (Time, Clock, "annotated Time and marked Depend(Clock)"),
        (Service, Time, "annotated Service and marked Depend(Time)"),
        (Store[Clock], Store[Service], "annotated Store[Clock] and marked Depend(Store[Service])"),
        (list[Clock], list[Service], "annotated list[Clock] and marked Depend(list[Service])"),
        (int, made_now, "annotated int and marked Depend(made_now), which makes str"),
        (Service, made_later, "annotated Service and marked Depend(made_later), which makes"),
    ],
)
async def test_annotation_and_marker_that_disagree_are_refused_at_start(
    annotation: Any, asked: Any, says: str
) -> None:
    async def show(it: Any = Depend(asked)) -> None: ...

    show.__annotations__["it"] = annotation
    with pytest.raises(UnreadableParameter) as refusal:
        Container(module_of(Clock, Service), entries=[point(show)]).validate()
    assert says in str(refusal.value)
    assert refusal.value.fix.startswith("it: ")


@pytest.mark.parametrize(
    ("annotation", "asked"),
    [
        (object, Clock), (Any, Clock), (Clock | None, Clock), (Sequence[Clock], list[Clock]),
        (Clock, maybe), (float, counted), (int | str, made_now), (Clock, made_later),
        (UserId, counted),
    ],
)  # fmt: skip
async def test_annotation_and_marker_that_agree_or_cannot_be_compared_pass(
    annotation: Any, asked: Any
) -> None:
    async def show(it: Any = Depend(asked)) -> Any:
        return it

    show.__annotations__["it"] = annotation
    Container(module_of(Clock), entries=[point(show)]).validate()


async def test_unresolved_marker_tells_how_to_call_the_handler() -> None:
    async def ping(clock: Any = Depend(Clock)) -> Any:
        return clock.now()

    Container(module_of(Clock), entries=[point(ping)]).validate()
    with pytest.raises(MarkerNotResolved) as refusal:
        await ping()
    assert_golden(refusal.value, "marker.txt")

    marker: Any = Depend(Clock)
    for use in (marker, marker.__getitem__, iter, aiter, type(marker).__await__):
        with pytest.raises(MarkerNotResolved, match="pass the parameter="):
            use(marker)
    with pytest.raises(MarkerNotResolved), marker:
        raise AssertionError("not reached")
    with pytest.raises(MarkerNotResolved):
        async with marker:
            raise AssertionError("not reached")
    assert not hasattr(Depend(Clock), "anything")


async def test_using_fills_named_parameters_and_refuses_unknown_names() -> None:
    class Mailer:
        def __init__(self, host: str, port: int, clock: Clock, *, tls: bool = False) -> None:
            self.all = (host, port, clock, tls)

    hot = Clock()
    module = Module("mail")
    module.bind(Key(Clock, "hot")).value(hot)
    module.bind(Mailer).using(host="h", port=25, clock=Key(Clock, "hot"), tls=True)
    async with Container(module) as container, container.enter() as scope:
        assert (await scope.get(Mailer)).all == ("h", 25, hot, True)

    module = Module("mail")
    module.bind(Mailer).using(hots="h", host="h", port=25, clock=hot)
    with pytest.raises(UnreadableParameter) as refusal:
        Container(module).validate()
    assert refusal.value.says == "Mailer has no parameter hots"
    assert refusal.value.fix.startswith("mail.bind(Mailer).using(host=...)   (module")


async def test_using_passes_engine_providers_as_values() -> None:
    from dependency_injector import providers

    class Holder:
        def __init__(self, value: object) -> None:
            self.value = value

    provider = providers.Factory(Clock)
    module = Module("app")
    module.bind(Holder).using(value=provider)
    async with Container(module) as container, container.enter() as scope:
        assert (await scope.get(Holder)).value is provider


async def test_alias_is_the_same_object_under_a_second_key() -> None:
    class Time(Protocol): ...

    module = module_of(Clock)
    module.bind(Time).alias(Clock)
    async with Container(module) as container, container.enter() as scope:
        assert await scope.get(Time) is await scope.get(Clock)


async def test_partials_and_callable_objects_are_sources() -> None:
    class Made:
        def __init__(self, size: int, clock: Clock) -> None:
            self.size, self.clock = size, clock

    class Maker:
        async def __call__(self, clock: Clock) -> Service:
            return Service(clock)

    module = module_of(Clock)
    module.bind(Made).to(functools.partial(Made, 3))
    module.bind(Service).to(Maker())
    async with Container(module) as container, container.enter() as scope:
        made = await scope.get(Made)
        assert made.size == 3
        assert (await scope.get(Service)).clock is made.clock


async def test_provider_asks_each_time_and_lazy_once() -> None:
    class Holder:
        def __init__(self, make: Provider[Clock], lazy: Lazy[Clock]) -> None:
            self.make, self.lazy = make, lazy

    module = module_of(Holder)
    module.bind(Clock, scope=Scope.TRANSIENT)
    async with Container(module) as container, container.enter() as scope:
        holder = await scope.get(Holder)
        assert holder.make() is not holder.make()
        assert await holder.make.get() is not holder.make()
        assert holder.lazy() is holder.lazy()
        assert await holder.lazy.get() is holder.lazy()


async def test_lazy_keeps_one_object_whoever_asks_at_once() -> None:
    class Holder:
        def __init__(self, clock: Lazy[Clock]) -> None:
            self.clock = clock

    async def slowly() -> Clock:
        await anyio.sleep(0.01)
        return Clock()

    module = module_of(Holder)
    module.bind(Clock, scope=Scope.TRANSIENT).to(slowly)
    got: list[Clock] = []
    async with Container(module) as container, container.enter() as scope:
        holder = await scope.get(Holder)

        async def ask() -> None:
            got.append(await holder.clock.get())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            group.start_soon(ask)
        assert got == [await holder.clock.get()] * 2


async def test_handle_of_something_that_awaits_needs_get() -> None:
    class Holder:
        def __init__(self, clock: Lazy[Clock]) -> None:
            self.clock = clock

    module = module_of(Holder)

    @module.provides()
    async def clock() -> Clock:
        return Clock()

    async with Container(module) as container, container.enter() as scope:
        holder = await scope.get(Holder)
        with pytest.raises(NeedsAwait, match="Clock awaits"):
            holder.clock()
        made = await holder.clock.get()
        assert holder.clock() is made
        assert await scope.get(Clock) is made


async def test_get_now_refuses_what_awaits_until_it_is_made() -> None:
    module = module_of(Service)

    @module.provides()
    async def clock() -> Clock:
        return Clock()

    async with Container(module) as container, container.enter() as scope:
        with pytest.raises(NeedsAwait):
            scope.get_now(Service)
        service = await scope.get(Service)
        assert scope.get_now(Service) is service


async def test_list_of_port_keeps_registration_order_and_is_empty_without_bindings() -> None:
    class Handler:
        pass

    class First(Handler):
        pass

    class Second(Handler):
        def __init__(self, clock: Clock) -> None: ...

    class Holder:
        def __init__(self, a: list[Handler], b: tuple[Handler, ...], c: Sequence[Handler]) -> None:
            self.all = (a, b, c)

    module = module_of(Holder, Clock)
    async with Container(module) as container, container.enter() as scope:
        assert (await scope.get(Holder)).all == ([], (), [])
    module.add(Handler).to(Second)
    module.add(Handler).to(First)
    module.add(Handler).value(Handler())
    async with Container(module) as container, container.enter() as scope:
        a, b, c = (await scope.get(Holder)).all
        assert [type(item) for item in a] == [Second, First, Handler]
        assert (list(b), list(c)) == (a, a)
        a.clear()
        assert len(await scope.get(list[Handler])) == 3


async def test_dict_by_key() -> None:
    class Holder:
        def __init__(self, clocks: dict[str, Clock]) -> None:
            self.clocks = clocks

    module = module_of(Holder, Clock)
    module.bind(Key(Clock, "b"))
    module.bind(Key(Clock, "a"))
    async with Container(module) as container, container.enter() as scope:
        clocks = (await scope.get(Holder)).clocks
        assert list(clocks) == ["b", "a"]
        assert clocks["a"] is await scope.get(Key(Clock, "a"))
        assert await scope.get(dict[str, Service]) == {}


async def test_transient_coroutine_source_is_awaited_once_per_asker_in_both_modes() -> None:
    made: list[Clock] = []

    class Plain:
        def __init__(self, clock: Clock, again: Clock) -> None:
            self.clocks = [clock, again]

    class Top:
        def __init__(self, plain: Plain, clock: Clock, other: Plain) -> None:
            self.clocks = [*plain.clocks, clock, *other.clocks]

    module = module_of(Top)
    module.bind(Plain, scope=Scope.TRANSIENT)

    async def clock() -> Clock:
        made.append(Clock())
        return made[-1]

    module.bind(Clock, scope=Scope.TRANSIENT).to(clock)

    async def show(top: Top = Depend(), clock: Clock = Depend()) -> Any:
        return [*top.clocks, clock]

    entry_point = point(show)
    async with Container(module, entries=[entry_point]) as container:
        async with container.enter() as scope:
            top = await scope.get(Top)
        # They were taken in the order in which they were made.
        assert top.clocks == made
        assert len(made) == 5
        made.clear()
        assert await run(container.entry(entry_point)) == made
        assert len(made) == 6


async def test_function_dependency_runs_once_per_request_and_reads_like_a_handler() -> None:
    calls: list[object] = []

    def current(token: str, clock: Clock = Depend()) -> str:
        calls.append(clock)
        return token.upper()

    def twice(who: str = Depend(current)) -> str:
        return who * 2

    async def show(token: str, who: str = Depend(current), both: str = Depend(twice)) -> Any:
        return token, who, both

    entry_point = point(show, reads=FromValues("token"))
    async with Container(module_of(Clock), entries=[entry_point]) as container:
        entry = container.entry(entry_point)
        assert await run(entry, token="a") == ("a", "A", "AA")
        assert await run(entry, token="b") == ("b", "B", "BB")
    assert len(calls) == 2


async def test_scopes_and_the_running_scope_are_injectable() -> None:
    class Opener:
        def __init__(self, scopes: Scopes, scope: ScopeContext) -> None:
            self.scopes, self.scope = scopes, scope

    async with Container(module_of(Opener, Clock)) as container, container.enter() as scope:
        opener = await scope.get(Opener)
        assert opener.scope is scope
        async with opener.scopes.enter() as other:
            assert await other.get(Clock) is not await scope.get(Clock)


async def test_missing_key_asked_at_run_time_is_named() -> None:
    async with Container(module_of(Clock)) as container, container.enter() as scope:
        with pytest.raises(MissingBinding, match="nothing provides Service"):
            await scope.get(Service)


async def test_bare_value_type_asked_at_run_time_is_shown_how_to_be_named() -> None:
    module = module_of(Clock)
    module.bind(Key(str, "name")).value("Ada")  # what the text says
    async with Container(module) as container, container.enter() as scope:
        with pytest.raises(MissingBinding, match="nothing provides str, which says") as refusal:
            await scope.get(str)
        assert "app.bind(Key(str, 'name')).value(...)" in refusal.value.fix
        assert await scope.get(Key(str, "name")) == "Ada"


async def test_asking_again_grows_nothing() -> None:
    async with Container(module_of(Clock)) as container, container.enter() as scope:
        await scope.get(list[Clock])
        size = len(container.wiring.nodes)
        for _ in range(3):
            assert await scope.get(Service | None) is None
            assert await scope.get(list[Clock]) == []
            assert await scope.call(lambda: 3) == 3
        assert len(container.wiring.nodes) == size


async def test_keys_that_nothing_provides_are_not_kept_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "REMEMBERED_KEYS", 50)
    monkeypatch.setattr(resolving, "_REMEMBERED_CALLS", 50)
    async with Container(module_of(Clock)) as container, container.enter() as scope:
        for number in range(200):
            key = Key(Clock, f"tenant {number}")
            assert key not in container
            with pytest.raises(MissingBinding):
                await scope.get(key)
        assert await scope.get(Clock) is await scope.get(Clock)
        assert len(container.assembly.registry._seen) <= 50
        assert len(container._resolution._absent) <= 50

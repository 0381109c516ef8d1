"""What we rely on, and what we avoid, in dependency-injector: an upgrade that changes it is seen.

Numbers in names are the sections of ``design/container.md``.
"""

import copy
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer, DynamicContainer

from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy, Provider, Scopes
from nexios.container.errors import WrongScope
from nexios.container.keys import MISSING, Key
from nexios.container.module import Module
from nexios.container.providers import (
    CollectedDict,
    ConstantObject,
    PlainFactory,
    ScopedFactory,
    TakingFactory,
    within,
)
from nexios.container.scope import Scope, ScopeContext
from tests.support.wiring import module_of, point, run


class Thing:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


def test_2_1_factory_injects_positionals_keywords_and_attributes() -> None:
    inner = providers.Factory(Thing)
    outer = providers.Factory(Thing)
    outer.add_args(inner, 3)
    outer.add_kwargs(named=inner)
    outer.add_attributes(attribute=inner)
    made = outer()
    assert isinstance(made.args[0], Thing)
    assert made.args[1] == 3
    assert isinstance(made.kwargs["named"], Thing)
    assert isinstance(made.attribute, Thing)


def test_2_1_related_yields_every_edge() -> None:
    one, two, three = (providers.Object(number) for number in range(3))
    outer = providers.Factory(Thing)
    outer.add_args(one)
    outer.add_kwargs(named=two)
    outer.add_attributes(attribute=three)
    assert set(outer.related) == {one, two, three}
    collected = providers.Dict()
    collected.add_kwargs({1: one, "two": two})
    assert set(collected.related) == {one, two}
    assert collected() == {1: 0, "two": 1}


def test_2_1_an_empty_list_provider_gives_a_tuple() -> None:
    # Why collections are factories of ours.
    assert providers.List()() == ()


def test_2_1_disabled_async_mode_passes_coroutines_as_values() -> None:
    async def work() -> None: ...

    coroutine = work()
    inner = providers.Object(coroutine)
    outer = providers.Factory(Thing)
    outer.add_args(inner)
    inner.disable_async_mode()
    outer.disable_async_mode()
    assert outer().args == (coroutine,)
    coroutine.close()


def test_2_2_double_underscores_in_injected_keywords_are_fine() -> None:
    outer = providers.Factory(Thing)
    outer.add_kwargs(user__id=4)
    assert outer().kwargs == {"user__id": 4}


def test_2_2_positionals_at_call_time_are_appended() -> None:
    # Why the interpreter calls providers without arguments.
    outer = providers.Factory(Thing)
    outer.add_args(1)
    assert outer(2).args == (1, 2)


def test_2_3_provide_of_a_subclass_is_called_and_can_be_overridden_and_injected() -> None:
    seen: list[str] = []

    class Watching(providers.Factory[Any]):
        def _provide(self, args: Any, kwargs: Any) -> Any:
            seen.append("provide")
            return super()._provide(args, kwargs)  # type: ignore[misc]

    watching = Watching(Thing)
    outer = providers.Factory(Thing)
    outer.add_args(watching)
    assert isinstance(outer().args[0], Thing)
    watching.override(providers.Object("other"))
    assert outer().args == ("other",)
    assert seen == ["provide"]


def test_2_3_deepcopy_builds_without_arguments_and_ours_keep_their_attributes() -> None:
    plain = PlainFactory(Thing)
    plain.slot = 3
    scoped = ScopedFactory(Thing)
    scoped.slot, scoped.lifetime, scoped.title, scoped.driven = 4, Scope.SINGLETON, "Thing", True
    taking = TakingFactory(Thing)
    taking.make = lambda: 7  # type: ignore[assignment,return-value]
    for original in (plain, scoped, taking, ConstantObject(1), CollectedDict()):
        copied = copy.deepcopy(original)
        assert type(copied) is type(original)
        assert copied.slot == original.slot
    copied_scoped = copy.deepcopy(scoped)
    assert (copied_scoped.lifetime, copied_scoped.title) == (Scope.SINGLETON, "Thing")
    assert copied_scoped.driven
    assert copy.deepcopy(taking)() == 7


@pytest.mark.parametrize(
    "provider",
    [PlainFactory(Thing), ScopedFactory(Thing), TakingFactory(Thing), ConstantObject(1),
     CollectedDict()],
)  # fmt: skip
def test_2_3_every_way_to_override_is_announced(provider: Any) -> None:
    told: list[int] = []
    provider.slot, provider.notify = 9, told.append
    provider.override(providers.Object(1))
    provider.override(providers.Object(2))
    assert provider() == 2
    assert len(provider.overridden) == 2
    provider.reset_last_overriding()
    assert provider() == 1
    provider.reset_override()
    with provider.override(providers.Object(3)):
        assert provider() == 3
    assert not provider.overridden
    assert told == [9] * 6


def test_2_3_leaving_the_library_s_own_with_out_of_order_pops_the_last_one() -> None:
    # Why the book-keeping of overrides is ours.
    provider = providers.Factory(Thing)
    first = provider.override(providers.Object(1))
    provider.override(providers.Object(2))
    first.__exit__(None, None, None)
    assert provider() == 1


def test_2_3_a_cycle_ends_the_call_and_on_some_pythons_the_process() -> None:
    # Why our graph finds cycles first: a RecursionError on 3.11 and 3.12, a crash on 3.13.
    code = (
        "from dependency_injector import providers\n"
        "one, two = providers.Factory(object), providers.Factory(object)\n"
        "one.add_args(two)\ntwo.add_args(one)\none()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 1 if sys.version_info < (3, 13) else done.returncode != 0
    if sys.version_info < (3, 13):
        assert b"RecursionError" in done.stderr


def test_2_3_a_provider_named_like_a_method_replaces_it() -> None:
    # Why names are generated.
    container = DynamicContainer()
    container.set_provider("override", providers.Object(1))
    assert container.override() == 1


def test_2_3_a_singleton_returning_none_runs_on_every_call() -> None:
    calls: list[int] = []
    singleton = providers.Singleton(lambda: calls.append(1))
    singleton()
    singleton()
    assert len(calls) == 2


def test_2_4_scoped_factory_makes_one_object_per_scope() -> None:
    provider: Any = ScopedFactory(Thing)
    provider.slot, provider.lifetime = 0, Scope.REQUEST
    resolver: Any = None
    root = ScopeContext(resolver, Scope.SINGLETON)
    first, second = (ScopeContext(resolver, Scope.REQUEST, root) for _ in range(2))
    made = within(first, {}, provider)
    assert within(first, {}, provider) is made
    assert within(second, {}, provider) is not made
    assert first.cache == {0: made}
    assert root.cache.get(0, MISSING) is MISSING


def test_importing_nexios_does_not_load_dependency_injector_wiring() -> None:
    code = (
        "import sys, nexios.container, nexios\n"
        "from nexios.container import Container, Module\n"
        "print([name for name in sys.modules if name.endswith('injector.wiring')])\n"
        "Container(Module('app')).validate()\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


class Clock:
    pass


class Port:
    pass


class Adapter(Port):
    def __init__(self, clock: Clock, count: int = 3, *, hot: Annotated[Clock, Key("hot")]) -> None:
        self.clock, self.count, self.hot = clock, count, hot


class Attributes:
    port: Port
    many: list[Thing]


class Handles:
    def __init__(self, port: Provider[Port], late: Lazy[Attributes], scopes: Scopes) -> None: ...


class Holder:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock


class Wide:
    def __init__(self, clock: Clock, holder: Holder) -> None: ...


class Top:
    def __init__(
        self, handles: Handles, named: dict[str, Clock], many: tuple[Thing, ...], maybe: str | None
    ) -> None: ...


def opened(port: Port) -> Iterator[int]:
    yield 1


async def opened_later(count: Annotated[int, Key("opened")], top: Top) -> AsyncIterator[float]:
    yield float(count)


def every_kind_of_node() -> Module:
    """Return a module with each source, scope, collection, handle and alias there is."""
    root = Module("app")
    root.bind(Clock, scope=Scope.SINGLETON)
    root.bind(Key(Clock, "hot")).value(Clock())
    root.bind(Port).to(Adapter)
    root.bind(Key(Port, "other")).alias(Port)
    root.bind(Attributes)
    root.bind(Handles, scope=Scope.TRANSIENT)
    root.bind(Top)
    root.bind(Holder, scope=Scope.SINGLETON)
    root.bind(Wide, scope=Scope.CONNECTION)
    root.add(Thing).value(Thing())
    root.add(Thing).to(lambda: Thing())
    root.bind(Key(int, "opened")).to(opened)
    root.bind(Key(float, "later"), scope=Scope.TRANSIENT).to(opened_later)
    root.bind(Key(str, "tenant")).given()
    return root


@pytest.mark.anyio
async def test_engine_graph_equals_ours_edge_for_edge() -> None:
    # Claims 1 and 4 of 2.5.
    async def show(
        later: Annotated[float, Key("later")] = Depend(),
        tenant: Annotated[str, Key("tenant")] = Depend(),
        wide: Wide = Depend(),
    ) -> None: ...

    def late(wide: Lazy[Wide], clocks: tuple[Clock, ...]) -> None: ...

    entry = point(show, supplies={Key(str, "tenant"): lambda _: "one"})
    async with Container(every_kind_of_node(), entries=[entry]) as container:
        sizes = [assert_equal_graphs(container)]
        async with container.enter() as scope:
            await scope.get(list[Clock])
            await scope.call(late)
        sizes.append(assert_equal_graphs(container))
        with container.override(Port).to(Port):
            sizes.append(assert_equal_graphs(container))
    assert sizes[0] > 15
    assert sizes == sorted(set(sizes)), "each growth adds nodes"


def assert_equal_graphs(container: Container) -> int:
    """Assert that nodes are providers and edges are edges; return the number of nodes."""
    engine, nodes = container.engine, container.wiring.nodes
    assert len(engine.providers) == len(nodes)
    assert list(engine.container.providers.values()) == engine.providers
    slots = {id(provider): slot for slot, provider in enumerate(engine.providers)}
    assert len(slots) == len(nodes)
    for node, provider in zip(nodes, engine.providers, strict=True):
        stands_in = set(map(id, provider.overridden))
        edges = [slots[id(item)] for item in provider.related
                 if id(item) in slots and id(item) not in stands_in]  # fmt: skip
        assert sorted(edges) == sorted(node.slots), node.title
    return len(nodes)


def test_an_edge_that_only_one_graph_has_is_noticed() -> None:
    container = Container(every_kind_of_node())
    engine, graph = container.engine, container.wiring
    assert engine.difference(graph, graph.nodes) == ""
    port = engine.providers[slot_of(container, "Port")]
    port.add_args(engine.providers[slot_of(container, "Holder")])
    assert "Port: the graph has edges to" in engine.difference(graph, graph.nodes)
    port.clear_args()
    assert "Port: the graph has edges to" in engine.difference(graph, graph.nodes)


def slot_of(container: Container, title: str) -> int:
    """Return the slot of the node people know by ``title``."""
    return next(node.slot for node in container.wiring.nodes if node.title == title)


@pytest.mark.anyio
async def test_raw_engine_override_is_seen_by_the_next_request() -> None:
    # Claim 3 of 2.5.
    async def show(holder: Holder = Depend(), port: Port = Depend()) -> tuple[Clock, Port]:
        return holder.clock, port

    async with Container(every_kind_of_node()) as container:
        entry = container.entry(point(show))
        original, adapter = await run(entry)
        assert isinstance(adapter, Adapter)
        clocks = container.engine.providers[slot_of(container, "Clock")]
        ports = container.engine.providers[slot_of(container, "Port")]
        frozen, fake = Clock(), Port()
        clocks.override(providers.Object(frozen))
        with ports.override(providers.Object(fake)):
            assert await run(entry) == (frozen, fake)
            async with container.enter() as scope:
                assert (await scope.get(Attributes)).port is fake
            ports.override(providers.Factory(Thing))
            assert isinstance((await run(entry))[1], Thing)
            ports.reset_last_overriding()
            assert await run(entry) == (frozen, fake)
        clocks.reset_override()
        clock, adapter = await run(entry)
        assert clock is original
        assert isinstance(adapter, Adapter)


@pytest.mark.anyio
async def test_raw_override_on_top_of_another_reaches_singletons_cached_under_that() -> None:
    class Keeper:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

    module = module_of(Clock, Keeper, scope=Scope.SINGLETON)
    async with Container(module) as container:
        clocks = container.engine.providers[slot_of(container, "Clock")]
        real, one, two = await container.get(Keeper), Clock(), Clock()
        clocks.override(providers.Object(one))
        first = await container.get(Keeper)
        clocks.override(providers.Object(two))
        assert (await container.get(Keeper)).clock is two
        with container.override(Clock).value(Clock()):
            assert (await container.get(Keeper)).clock not in (one, two, real.clock)
        clocks.reset_last_overriding()
        assert await container.get(Keeper) is first
        clocks.reset_override()
        assert await container.get(Keeper) is real
        clocks.override(providers.Object(two))
        assert (await container.get(Keeper)).clock is two
        clocks.reset_override()


@pytest.mark.anyio
async def test_mounted_dependency_injector_container_resolves_both_ways() -> None:
    # Claim 5 of 2.5.
    class Service:
        def __init__(self, port: Port) -> None:
            self.port = port

    class Job:
        def __init__(self, service: Service) -> None:
            self.service = service

    class Theirs(DeclarativeContainer):
        repository = providers.Singleton(Port)
        service = providers.Dependency()
        job = providers.Factory(Job, service=service)

    theirs = Theirs()
    root = module_of(Service).mount(theirs, {Port: "repository"})
    async with Container(root) as container:
        theirs.service.override(container.provider(Service))
        async with container.enter() as scope:
            job = theirs.job()
            assert job.service is await scope.get(Service)
            assert job.service.port is theirs.repository()
        with pytest.raises(WrongScope):
            theirs.job()

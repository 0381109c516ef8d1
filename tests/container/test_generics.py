"""Open generics: closed on demand, the best fit taken, type variables replaced throughout."""

import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, ParamSpec, Protocol, TypeVar

import pytest
import typing_extensions

from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy
from nexios.container.errors import (
    AmbiguousBinding,
    CaptiveDependency,
    ContainerError,
    DependencyCycle,
    DuplicateBinding,
    LayerBreach,
    MissingBinding,
    ModuleMisuse,
    NotVisible,
    PortMismatch,
    UnknownKey,
    UnreadableParameter,
    UnusableSource,
)
from nexios.container.generics import fit
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.container.typevars import substitute, variables
from nexios.layers.rules import Layer
from tests.support.golden import assert_golden
from tests.support.wiring import module_of, point, run

pytestmark = pytest.mark.anyio

T = TypeVar("T")
S = TypeVar("S")
K = TypeVar("K")
V = TypeVar("V")


class Entity:
    pass


class User(Entity):
    pass


class Order(Entity):
    pass


class Price:
    pass


E = TypeVar("E", bound=Entity)
W = TypeVar("W", bound="Entity")
EITHER = TypeVar("EITHER", User, Price)
BY_DEFAULT = typing_extensions.TypeVar("BY_DEFAULT", default=User)


class Mapper(Generic[T]):
    pass


class UserMapper(Mapper[User]):
    pass


class Repository(Protocol[T]):
    def find(self) -> T: ...


class SqlRepository(Repository[T]):
    def __init__(self, mapper: Mapper[T]) -> None:
        self.mapper = mapper

    def find(self) -> T:
        raise NotImplementedError


class MemoryRepository(Generic[T]):
    """Has the shape of the port, and does not say so."""

    def __init__(self, mapper: Mapper[T]) -> None:
        self.mapper = mapper

    def find(self) -> T:
        raise NotImplementedError


class Service:
    def __init__(self, users: Repository[User]) -> None:
        self.users = users


def repositories(source: Any = SqlRepository[T], **options: Any) -> Module:
    """Return a module that has repositories and mappers of everything."""
    module = Module("data")
    module.bind(Repository[T], **options).to(source)
    module.bind(Mapper[T], scope=options.get("scope"))
    return module


def refusal(root: Module, *points: Any, **options: Any) -> Any:
    with pytest.raises(ContainerError) as found:
        Container(root, entries=points, **options).validate()
    return found.value


async def made(root: Module, form: Any) -> Any:
    async with Container(root) as container, container.enter() as scope:
        return await scope.get(form)


def parts(container: Container) -> dict[str, list[str]]:
    """Return each node's title with those of what it asks for."""
    nodes = container.wiring.nodes
    return {node.title: [nodes[slot].title for slot in node.slots] for node in nodes}


# --- sources --------------------------------------------------------------------------------


def make(mapper: Mapper[S]) -> Repository[S]:
    return SqlRepository(mapper)


def make_one(mapper: Mapper[S]) -> SqlRepository[S]:
    return SqlRepository(mapper)


async def make_later(mapper: Mapper[T]) -> Repository[T]:
    return SqlRepository(mapper)


def make_and_close(mapper: Mapper[T]) -> Iterator[Repository[T]]:
    yield SqlRepository(mapper)


async def make_and_close_later(mapper: Mapper[T]) -> AsyncIterator[Repository[T]]:
    yield SqlRepository(mapper)


SOURCES = [
    SqlRepository[T], SqlRepository, MemoryRepository[T], MemoryRepository,
    make, make_one, make_later, make_and_close, make_and_close_later,
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
async def test_every_kind_of_source_has_its_type_variables_replaced(source: Any) -> None:
    root = repositories(source)
    root.bind(Service)
    root.bind(Mapper[User]).to(UserMapper)
    async with Container(root) as container, container.enter() as scope:
        service = await scope.get(Service)
        assert isinstance(service.users, SqlRepository | MemoryRepository)
        assert type(service.users.mapper) is UserMapper
        assert parts(container)["Repository[User]"] == ["Mapper[User]"]


@pytest.mark.parametrize("source", [SqlRepository[User], SqlRepository, MemoryRepository, make])
async def test_a_closed_key_closes_its_source_without_any_open_binding(source: Any) -> None:
    root = module_of(Service, UserMapper)
    root.bind(Repository[User]).to(source)
    root.bind(Mapper[User]).to(UserMapper)
    assert type((await made(root, Service)).users.mapper) is UserMapper


async def test_an_alias_of_another_port_closes_its_source() -> None:
    class Users(Protocol):
        def find(self) -> User: ...

    root = Module("app")
    root.bind(Users).to(SqlRepository[User])
    root.bind(Mapper[User]).to(UserMapper)
    assert type((await made(root, Users)).mapper) is UserMapper  # type: ignore[type-abstract]


async def test_a_generic_class_bound_alone_is_open_by_its_alias() -> None:
    root = Module("app")
    root.bind(SqlRepository[T])
    root.bind(Mapper[T])
    assert type((await made(root, SqlRepository[User])).mapper) is Mapper


class Base(Generic[K, V]):
    def __init__(self, keys: Mapper[K], values: Mapper[V]) -> None:
        self.keys, self.values = keys, values


class Middle(Base[list[T], V], Generic[V, T]):
    pass


class Bottom(Middle[Price, User]):
    pass


async def test_type_variables_of_an_inherited_constructor_are_replaced() -> None:
    root = module_of(Bottom)
    root.bind(Mapper[T])
    async with Container(root) as container:
        assert parts(container)["Bottom"] == ["Mapper[list[User]]", "Mapper[Price]"]


async def test_several_variables_go_where_the_bases_say_not_by_position() -> None:
    root = Module("app")
    root.bind(Base[list[K], V]).to(Middle)
    root.bind(Mapper[T])
    async with Container(root) as container, container.enter() as scope:
        assert type(await scope.get(Base[list[User], Price])) is Middle
        expected = ["Mapper[list[User]]", "Mapper[Price]"]
        assert parts(container)["Base[list[User], Price]"] == expected


@dataclass
class Held(Generic[T]):
    mapper: Mapper[T]


@dataclass
class HeldMore(Held[list[T]], Generic[T]):
    other: Mapper[T]


async def test_a_generated_constructor_reads_each_field_where_it_is_declared() -> None:
    root = Module("app")
    root.bind(HeldMore[T])
    root.bind(Mapper[T])
    async with Container(root) as container, container.enter() as scope:
        await scope.get(HeldMore[int])
        assert parts(container)["HeldMore[int]"] == ["Mapper[list[int]]", "Mapper[int]"]


class Attributes(Generic[T]):
    mapper: "Mapper[T]"


class OfUsers(Attributes[User]):
    repository: Repository[User]


async def test_annotated_attributes_of_generic_classes_are_wired() -> None:
    found = await made(module_of(OfUsers).include(exporting(repositories())), OfUsers)
    assert type(found.mapper) is Mapper
    assert type(found.repository) is SqlRepository


def exporting(module: Module, *keys: Any) -> Module:
    return module.export(*(keys or (Repository[T], Mapper[T])))


class Optional(Generic[T]):
    def __init__(
        self,
        maybe: Mapper[T] | None,
        many: list[Mapper[T]],
        make: Callable[[], T] | None = None,
        lazy: Lazy[Mapper[T]] | None = None,
    ) -> None:
        self.maybe, self.many, self.make, self.lazy = maybe, many, make, lazy


async def test_variables_are_replaced_inside_unions_collections_and_handles() -> None:
    root = module_of(Optional[User])
    root.bind(Mapper[User]).to(UserMapper)
    root.add(Mapper[T])
    async with Container(root) as container, container.enter() as scope:
        found = await scope.get(Optional[User])
        assert type(found.maybe) is UserMapper
        assert list(map(type, found.many)) == [Mapper]
        assert found.make is None
        assert found.lazy() is found.maybe


async def test_the_object_is_made_by_the_class_and_not_by_its_alias() -> None:
    class Strict(Generic[T]):
        def __setattr__(self, name: str, value: object) -> None:
            raise RuntimeError(name)

    root = Module("app")
    root.bind(Strict[T])
    assert type(await made(root, Strict[int])) is Strict


async def test_using_and_alias_of_an_open_binding_are_closed_with_it() -> None:
    root = Module("app")
    root.bind(Repository[T]).to(SqlRepository[T]).using(mapper=Key(Mapper[T], "hot"))
    root.bind(Key(Mapper[T], "hot")).to(Mapper[T])
    root.bind(Key(Repository[T], "too")).alias(Repository[T])
    async with Container(root) as container, container.enter() as scope:
        plain = await scope.get(Repository[User])  # type: ignore[type-abstract]
        assert await scope.get(Key(Repository[User], "too")) is plain
        titles = parts(container)
    assert titles["Repository[User]"] == ["Key(Mapper[User], 'hot')"]


async def test_a_default_of_the_type_variable_is_what_a_bare_class_means() -> None:
    class Box(Generic[BY_DEFAULT]):
        def __init__(self, mapper: Mapper[BY_DEFAULT]) -> None: ...

    root = module_of(Box)
    root.bind(Mapper[T])
    async with Container(root) as container:
        assert parts(container)["Box"] == ["Mapper[User]"]
    root = Module("app")
    root.bind(Box[T])
    assert Box in Container(root)


class MarkedRepository(Generic[T]):
    def __init__(
        self,
        hot: Annotated[Mapper[T], Key("hot")],
        marked: Any = Depend(Mapper[T]),
        handed: Mapper[T] = Depend(),
    ) -> None:
        self.hot, self.marked, self.handed = hot, marked, handed


async def test_variables_are_replaced_in_markers_and_beside_qualifiers() -> None:
    root = module_of(MarkedRepository[User])
    root.bind(Key(Mapper[User], "hot")).to(UserMapper)
    root.bind(Mapper[T])
    found = await made(root, MarkedRepository[User])
    assert type(found.hot) is UserMapper
    assert found.marked is found.handed
    assert type(found.marked) is Mapper


def _declared_on_the_class() -> Any:
    # What ``class Box[X]`` makes where the syntax is known: X is a name of the class alone.
    X = TypeVar("X")  # a type variable

    class Box(Generic[X]):
        def __init__(self, mapper: "Mapper[X]") -> None: ...

    Box.__type_params__ = (X,)  # type: ignore[attr-defined]
    return Box


async def test_a_string_may_name_a_type_parameter_of_its_class() -> None:
    box = _declared_on_the_class()
    root = module_of(box[User])
    root.bind(Mapper[T])
    async with Container(root) as container:
        assert parts(container)["Box[User]"] == ["Mapper[User]"]


async def test_the_return_type_of_a_generic_function_is_an_open_key() -> None:
    root = Module("app")
    root.bind(Mapper[T], scope=Scope.SINGLETON)

    @root.provides(scope=Scope.SINGLETON)
    def repository(mapper: Mapper[S]) -> Iterator[Repository[S]]:
        yield SqlRepository(mapper)

    async with Container(root) as container:
        one = await container.get(Repository[User])  # type: ignore[type-abstract]
        assert await container.get(Repository[User]) is one  # type: ignore[type-abstract]
        assert type(one) is SqlRepository


# --- which binding --------------------------------------------------------------------------


async def test_closed_generic_beats_open() -> None:
    root = repositories()
    root.bind(Repository[User]).to(MemoryRepository[User])
    assert type(await made(root, Repository[User])) is MemoryRepository
    assert type(await made(root, Repository[Order])) is SqlRepository


async def test_closed_generic_of_an_included_module_beats_an_own_open_one() -> None:
    inner = Module("users")
    inner.bind(Repository[User]).value(MemoryRepository(Mapper()))
    root = repositories().include(exporting(inner, Repository[User]))
    assert type(await made(root, Repository[User])) is MemoryRepository


@pytest.mark.parametrize("variable", [E, W])
def test_typevar_bound_filters_candidates(variable: Any) -> None:
    root = Module("app")
    root.bind(Repository[variable]).to(SqlRepository)
    container = Container(root)
    assert Repository[User] in container
    assert Repository[Any] in container
    assert Repository[User | Order] in container
    assert Repository[Price] not in container
    assert Repository[User | Price] not in container


def test_constraints_filter_candidates() -> None:
    root = Module("app")
    root.bind(Repository[EITHER]).to(SqlRepository)
    container = Container(root)
    assert [form in container for form in (Repository[User], Repository[Price])] == [True, True]
    assert Repository[Order] not in container


class Sized(Protocol):
    def size(self) -> int: ...


class Sortable(ABC):
    @abstractmethod
    def order(self) -> int: ...


class Wide:
    def size(self) -> int:
        return 1


class Long(Sortable):
    def order(self) -> int:
        return 1


def test_protocol_and_abstract_class_bounds_filter_candidates() -> None:
    sized, sortable = TypeVar("sized", bound=Sized), TypeVar("sortable", bound=Sortable)
    root = Module("app")
    root.bind(Key(Mapper[sized], 1)).to(Mapper)
    root.bind(Key(Mapper[sortable], 2)).to(Mapper)
    container = Container(root)
    known = [(Key(Mapper[form], name) in container) for form in (Wide, Long) for name in (1, 2)]
    assert known == [True, False, False, True]


async def test_the_more_specific_of_two_open_bindings_wins() -> None:
    class Narrow(SqlRepository[T]):
        pass

    class OfLists(SqlRepository[list[T]]):
        pass

    for order in ([0, 1, 2], [2, 1, 0]):
        root = Module("app")
        root.bind(Mapper[T])
        lines: list[tuple[Any, Any]] = [
            (Repository[T], SqlRepository[T]),
            (Repository[E], Narrow[E]),
            (Repository[list[T]], OfLists[T]),
        ]
        for index in order:
            root.bind(lines[index][0]).to(lines[index][1])
        assert type(await made(root, Repository[Price])) is SqlRepository
        assert type(await made(root, Repository[User])) is Narrow
        assert type(await made(root, Repository[list[Price]])) is OfLists


class Pair(Generic[K, V]):
    pass


def test_two_open_bindings_that_fit_alike_are_ambiguous_naming_both_places() -> None:
    class Asks:
        def __init__(self, pair: Pair[int, str]) -> None: ...

    root = module_of(Asks)
    root.bind(Pair[T, str]).to(Pair[T, str])
    root.bind(Pair[int, T]).to(Pair[int, T])
    error = refusal(root)
    assert isinstance(error, AmbiguousBinding)
    assert len({step.where.line for step in error.asked_by if step.label == "bound"}) == 2
    assert_golden(error, "generic_ambiguous.txt")
    root.bind(Pair[int, str])
    Container(root).validate()


def test_one_variable_twice_asks_for_the_same_type_twice() -> None:
    root = Module("app")
    root.bind(Pair[T, T])
    container = Container(root)
    assert Pair[int, int] in container
    assert Pair[int, str] not in container


def test_nested_and_union_patterns_fit_what_has_their_shape() -> None:
    root = Module("app")
    root.bind(Mapper[dict[str, list[T]]]).to(Mapper)
    root.bind(Key(Mapper[T | None], 1)).to(Mapper)
    root.bind(Key(Mapper[Callable[[T], S]], 2)).to(Mapper)
    container = Container(root)
    assert Mapper[dict[str, list[User]]] in container
    assert Mapper[dict[int, list[User]]] not in container
    assert Mapper[dict[str, User]] not in container
    assert Key(Mapper[User | None], 1) in container
    assert Key(Mapper[User], 1) not in container
    assert Key(Mapper[Callable[[int], str]], 2) in container
    assert Key(Mapper[Callable[[int, int], str]], 2) not in container


def test_a_pattern_finds_again_whatever_was_put_into_it() -> None:
    dice = random.Random(7)

    def form(depth: int, leaves: list[Any]) -> Any:
        if depth == 0 or dice.random() < 0.2:
            return dice.choice(leaves)
        inner = [form(depth - 1, leaves) for _ in range(2)]
        return dice.choice(
            [Mapper[inner[0]], Pair[inner[0], inner[1]], list[inner[0]], dict[str, inner[1]],
             Callable[[inner[0]], inner[1]], tuple[inner[0], ...]]
        )  # fmt: skip

    tried = 0
    for _ in range(400):
        pattern = form(3, [T, S, User, int])
        types = {item: form(2, [User, Order, str]) for item in variables(pattern)}
        if not types or pattern in types:
            continue
        closed: Any = substitute(pattern, types)
        assert variables(closed) == ()
        assert fit(Key(pattern), Key(closed)) == types
        assert fit(Key(pattern), Key(set[closed])) is None
        tried += 1
    assert tried > 200


def test_a_generic_type_alias_is_the_key_that_it_names() -> None:
    pairs = typing_extensions.TypeAliasType("pairs", Pair[V, K], type_params=(K, V))
    assert Key(pairs[int, str]) == Key(Pair[str, int])


# --- modules --------------------------------------------------------------------------------


async def test_an_exported_open_key_lets_out_every_form_whatever_its_variable_is_called() -> None:
    inner = repositories()
    inner.bind(Repository[User]).to(MemoryRepository[User])
    inner.export(Repository[S])
    root = module_of(Service).include(inner)
    assert type((await made(root, Service)).users) is MemoryRepository
    assert type(await made(root, Repository[Order])) is SqlRepository


def test_an_exported_closed_form_lets_out_no_other() -> None:
    root = Module("app").include(exporting(repositories(), Repository[User]))
    container = Container(root)
    assert Repository[User] in container
    assert Repository[Order] not in container


def test_private_open_binding_is_not_visible_and_the_error_says_export() -> None:
    error = refusal(module_of(Service).include(repositories()))
    assert isinstance(error, NotVisible)
    assert_golden(error, "generic_not_visible.txt")


def test_export_of_an_open_key_that_nothing_fits_is_refused() -> None:
    error = refusal(Module("app").include(exporting(Module("data"), Repository[T])))
    assert isinstance(error, ModuleMisuse)
    assert error.says == 'module "data" exports Repository[T], which it does not have'


def test_an_open_key_may_be_exported_on() -> None:
    middle = Module("middle").include(exporting(repositories())).export(Repository[K])
    Container(module_of(Service).include(middle)).validate()


async def test_two_modules_share_the_singleton_of_one_closed_form() -> None:
    data = exporting(repositories(scope=Scope.SINGLETON))
    one, two = module_of(Service, name="one"), module_of(Service, name="two")
    for module in (one, two):
        module.include(data)
    root = Module("app").include(one, two)

    class First:
        def __init__(self, service: Service) -> None:
            self.users = service.users

    class Second(First):
        pass

    for module, cls in ((one, First), (two, Second)):
        module.bind(cls)
        module.export(cls)
    async with Container(root) as container, container.enter() as scope:
        assert (await scope.get(First)).users is (await scope.get(Second)).users


def test_the_same_open_key_twice_is_a_duplicate_whatever_its_variable_is_called() -> None:
    root = repositories()
    root.bind(Repository[S]).to(MemoryRepository[S])
    error = refusal(root)
    assert isinstance(error, DuplicateBinding)
    assert_golden(error, "generic_duplicate.txt")


async def test_replace_and_default_work_on_open_keys() -> None:
    outer = Module("app").include(exporting(repositories()))
    outer.bind(Repository[S], replace=True).to(MemoryRepository[S])
    assert type(await made(outer, Repository[User])) is MemoryRepository

    inner = exporting(repositories(default=True))
    inner.bind(Service)
    inner.export(Service)
    outer = Module("app").include(inner)
    outer.bind(Repository[S]).to(MemoryRepository[S])
    outer.bind(Mapper[Order])
    assert type((await made(outer, Service)).users) is MemoryRepository


async def test_a_closed_binding_replaces_one_form_of_an_included_open_one() -> None:
    outer = Module("app").include(exporting(repositories()))
    outer.bind(Repository[User], replace=True).value(MemoryRepository(Mapper()))
    assert type(await made(outer, Repository[User])) is MemoryRepository
    assert type(await made(outer, Repository[Order])) is SqlRepository


def test_open_key_that_an_include_brings_too_is_a_duplicate() -> None:
    outer = Module("app").include(exporting(repositories()))
    outer.bind(Repository[S]).to(MemoryRepository[S])
    assert isinstance(refusal(outer), DuplicateBinding)


def test_two_included_modules_exporting_one_open_key_are_ambiguous() -> None:
    one, two = repositories(), repositories()
    one.name, two.name = "one", "two"
    root = module_of(Service).include(exporting(one, Repository[T]), exporting(two, Repository[T]))
    error = refusal(root)
    assert isinstance(error, AmbiguousBinding)
    assert_golden(error, "generic_exported_twice.txt")


async def test_what_every_module_sees_may_be_open() -> None:
    everywhere = exporting(repositories())
    root = module_of(Service)
    async with (
        Container(root, everywhere=everywhere) as container,
        container.enter() as scope,
    ):
        assert type((await scope.get(Service)).users) is SqlRepository


async def test_adds_of_included_modules_come_first_and_only_those_that_fit() -> None:
    inner = Module("inner")
    inner.add(Mapper[E]).to(Mapper)
    inner.add(Mapper[User]).to(UserMapper)
    inner.export(list[Mapper[T]])
    root = Module("app").include(inner)
    root.add(Mapper[T]).value(Mapper())
    found = await made(root, list[Mapper[User]])
    assert list(map(type, found)) == [Mapper, UserMapper, Mapper]
    assert len(await made(root, list[Mapper[Price]])) == 1


# --- running --------------------------------------------------------------------------------


async def test_override_of_a_closed_form_reaches_that_form_only() -> None:
    root = repositories(scope=Scope.SINGLETON)
    root.bind(Service)
    fake = MemoryRepository[User](Mapper())
    async with Container(root) as container:
        async with container.enter() as scope:
            real = (await scope.get(Service)).users
        with container.override(Repository[User]).value(fake):  # type: ignore[type-abstract]
            async with container.enter() as scope:
                assert (await scope.get(Service)).users is fake
                assert type(await scope.get(Repository[Order])) is SqlRepository
        async with container.enter() as scope:
            assert (await scope.get(Service)).users is real


async def test_override_of_a_form_that_nobody_asked_for_yet_works() -> None:
    async with Container(repositories()) as container, container.enter() as scope:
        override: Any = container.override(Repository[User])  # type: ignore[type-abstract]
        with override.to(MemoryRepository):
            found = await scope.get(Repository[User])  # type: ignore[type-abstract]
    assert type(found) is MemoryRepository
    assert type(found.mapper) is Mapper


def test_override_of_the_open_form_is_refused_and_names_closed_ones() -> None:
    root = repositories()
    root.bind(Service)
    with pytest.raises(UnknownKey) as found:
        Container(root).override(Repository[T])
    assert_golden(found.value, "generic_override.txt")


async def test_an_open_form_asked_at_run_time_is_refused() -> None:
    async with Container(repositories()) as container, container.enter() as scope:
        with pytest.raises(MissingBinding) as found:
            await scope.get(Repository[T])
    assert_golden(found.value, "generic_open_ask.txt")


async def test_closed_singletons_start_with_the_container_and_later_ones_at_first_use() -> None:
    started: list[str] = []

    class Pool(Generic[T]):
        def __init__(self, mapper: Mapper[T]) -> None:
            started.append(type(mapper).__name__)

    class Asks:
        def __init__(self, pool: Pool[User]) -> None: ...

    root = module_of(Asks)
    root.bind(Pool[T], scope=Scope.SINGLETON)
    root.bind(Mapper[T], scope=Scope.SINGLETON)
    root.bind(Mapper[User], scope=Scope.SINGLETON).to(UserMapper)

    async def later(pool: Pool[Order] = Depend()) -> Pool[Order]:
        return pool

    async def latest(pool: Pool[Price] = Depend()) -> Pool[Price]:
        return pool

    container = Container(root)
    container.validate()
    early = container.entry(point(later, "GET /later"))
    async with container:
        assert started == ["UserMapper", "Mapper"]
        late = container.entry(point(latest, "GET /latest"))
        assert len(started) == 2
        assert await run(late) is await run(late)
        assert await run(early) is await run(early)
        assert len(started) == 3


async def test_a_generator_source_of_a_closed_form_is_closed_with_its_scope() -> None:
    log: list[str] = []

    async def opened(mapper: Mapper[T]) -> AsyncIterator[Repository[T]]:
        yield SqlRepository(mapper)
        log.append(type(mapper).__name__)

    root = repositories(opened)
    root.bind(Mapper[User]).to(UserMapper)
    async with Container(root) as container:
        async with container.enter() as scope:
            await scope.get(Repository[User])  # type: ignore[type-abstract]
            await scope.get(Repository[Order])  # type: ignore[type-abstract]
            assert log == []
        assert log == ["Mapper", "UserMapper"]


async def test_transient_closed_forms_are_new_for_every_asker() -> None:
    root = repositories(scope=Scope.TRANSIENT)
    async with Container(root) as container, container.enter() as scope:
        one = await scope.get(Repository[User])  # type: ignore[type-abstract]
        assert one is not await scope.get(Repository[User])  # type: ignore[type-abstract]


async def test_call_makes_a_closed_generic_class_that_nothing_binds() -> None:
    async with Container(repositories()) as container, container.enter() as scope:
        found = await scope.call(MemoryRepository[User])
        with pytest.raises(UnusableSource):
            await scope.call(Repository[User])  # type: ignore[type-abstract]
    assert "__orig_class__" not in vars(found)
    assert isinstance(found, MemoryRepository)
    assert type(found.mapper) is Mapper


async def test_handler_asks_for_a_closed_form_by_marker_and_by_hint() -> None:
    async def show(
        one: Repository[User] = Depend(), two: Any = Depend(Repository[Order])
    ) -> list[str]:
        return [type(one).__name__, type(two).__name__]

    async with Container(repositories(), entries=[point(show)]) as container:
        entry = container.entry(next(iter(container.wiring.wired)))
        assert await run(entry) == ["SqlRepository", "SqlRepository"]


# --- what is refused ------------------------------------------------------------------------


class Selfish(Generic[T]):
    def __init__(self, inner: "Selfish[T]") -> None: ...


class AsksSelfish:
    def __init__(self, it: Selfish[User]) -> None: ...


def test_generic_self_reference_is_a_named_cycle() -> None:
    root = module_of(AsksSelfish)
    root.bind(Selfish[T])
    error = refusal(root)
    assert isinstance(error, DependencyCycle)
    assert_golden(error, "generic_self_cycle.txt")


class Flip(Generic[K, V]):
    def __init__(self, other: "Flip[V, K]") -> None: ...


def test_a_circle_through_two_forms_of_one_binding_is_named() -> None:
    class Asks:
        def __init__(self, it: Flip[int, str]) -> None: ...

    root = module_of(Asks)
    root.bind(Flip[K, V])
    error = refusal(root)
    assert isinstance(error, DependencyCycle)
    assert error.says == "Flip[int, str] needs itself: " + " -> ".join(
        ["Flip[int, str]", "Flip[str, int]", "Flip[int, str]"]
    )


class Cell(Generic[T]):
    def __init__(self, inner: "Mapper[T] | None", cell: "Cell[T]") -> None: ...


class Undone(Generic[T]):
    def __init__(self, codec: "Codec[T]") -> None:
        self.codec = codec


class Codec(Generic[T]):
    pass


class ListCodec(Codec[list[T]]):
    def __init__(self, inner: Codec[T]) -> None:
        self.inner = inner


async def test_a_generic_that_asks_for_smaller_forms_of_itself_ends() -> None:
    root = Module("app")
    root.bind(Codec[list[T]]).to(ListCodec[T])
    root.bind(Codec[int])
    found = await made(root, Codec[list[list[list[int]]]])
    assert type(found.inner.inner.inner) is Codec


class Grows(Generic[T]):
    def __init__(self, more: "Grows[list[T]]", again: "Grows[set[T]]") -> None: ...


class GrowsThroughList(Generic[T]):
    def __init__(self, many: "list[GrowsThroughList[list[T]]]") -> None: ...


def test_a_generic_that_grows_without_end_is_refused_and_named_once() -> None:
    class Asks:
        def __init__(self, it: Grows[User]) -> None: ...

    root = module_of(Asks)
    root.bind(Grows[T])
    error = refusal(root)
    assert isinstance(error, DependencyCycle)
    assert_golden(error, "generic_endless.txt")


async def test_a_generic_that_grows_through_its_own_list_is_refused_at_run_time_too() -> None:
    root = Module("app")
    root.add(GrowsThroughList[T])
    async with Container(root) as container, container.enter() as scope:
        with pytest.raises(DependencyCycle, match="needs ever further forms"):
            await scope.get(GrowsThroughList[int])
        assert container.wiring.nodes == []


class TwoVariables(Repository[T], Generic[T, S]):
    def __init__(self, mapper: Mapper[T], other: Mapper[S]) -> None: ...


def other_type(mapper: Mapper[S]) -> Repository[list[S]]:
    raise NotImplementedError


def unsaid(mapper: Mapper[S]) -> Repository[T]:
    raise NotImplementedError


class OrderRepository(SqlRepository[Order]):
    pass


@pytest.mark.parametrize(
    ("source", "error", "golden"),
    [
        (SqlRepository[S], UnusableSource, "generic_unsaid_variable.txt"),
        (TwoVariables, UnreadableParameter, "generic_unsaid_parameter.txt"),
        (unsaid, UnreadableParameter, "generic_unsaid_by_function.txt"),
        (other_type, PortMismatch, "generic_too_special_function.txt"),
        (OrderRepository, PortMismatch, "generic_too_special_class.txt"),
        (Mapper[T], PortMismatch, "generic_misfit.txt"),
        (Repository[T], UnusableSource, "generic_protocol_as_source.txt"),
    ],
)
def test_an_open_source_that_no_closed_form_could_mend_is_refused_at_start(
    source: Any, error: type[ContainerError], golden: str
) -> None:
    found = refusal(repositories(source))
    assert isinstance(found, error)
    assert_golden(found, golden)


def test_a_bare_generic_class_whose_variable_nothing_says_is_refused() -> None:
    class Child(SqlRepository):  # type: ignore[type-arg]
        pass

    root = Module("app")
    root.bind(Mapper[T])
    root.bind(SqlRepository)
    assert_golden(refusal(root), "generic_bare_class.txt")
    root = Module("app")
    root.bind(Child)
    assert refusal(root).fix == "class Child(SqlRepository[...]): say what T is"


def test_a_value_of_one_form_does_not_answer_for_all_of_them() -> None:
    root = Module("app")
    root.bind(Mapper[T]).value(UserMapper())
    error = refusal(root)
    assert isinstance(error, PortMismatch)
    assert_golden(error, "generic_too_special_value.txt")


async def test_a_bare_class_with_a_default_is_closed_as_its_key_says() -> None:
    class Store(Generic[T]):
        pass

    class Box(Store[BY_DEFAULT]):
        def __init__(self, mapper: Mapper[BY_DEFAULT]) -> None:
            self.mapper = mapper

    root = Module("app")
    root.bind(Store[T]).to(Box)
    root.bind(Mapper[T])
    root.bind(Mapper[User]).to(UserMapper)
    assert type((await made(root, Store[Order])).mapper) is Mapper
    root = Module("app")
    root.bind(Store[Order]).to(Box)
    root.bind(Mapper[Order])
    Container(root).validate()


def test_a_type_variable_alone_is_no_key() -> None:
    root = Module("app")
    root.bind(T).value(3)  # type: ignore[misc]
    assert isinstance(refusal(root), ModuleMisuse)


def test_a_key_open_by_something_else_than_a_type_variable_is_refused() -> None:
    parameters = ParamSpec("parameters")

    class Task(Generic[parameters]):
        pass

    root = Module("app")
    root.bind(Task[parameters])
    assert refusal(root).says.startswith("Task[parameters] is open by parameters, a ParamSpec")


def test_a_bare_class_asked_where_its_open_form_is_bound_is_told_so() -> None:
    class Asks:
        def __init__(self, mapper: Mapper) -> None: ...  # type: ignore[type-arg]

    root = module_of(Asks)
    root.bind(Mapper[T])
    assert "near: Mapper[T] is bound, so ask for a form of it" in refusal(root).notes


def test_an_alias_whose_variable_its_key_does_not_say_is_refused() -> None:
    root = repositories()
    root.bind(Key(Repository[K], 1)).alias(Repository[V])
    error = refusal(root)
    assert isinstance(error, UnusableSource)
    assert error.fix.startswith("data.bind(Key(Repository[K], 1)).alias(Repository[K])")


@pytest.mark.parametrize("source", [SqlRepository[Order], OrderRepository])
def test_a_source_closed_for_another_type_than_its_key_is_refused(source: Any) -> None:
    root = Module("app")
    root.bind(Repository[User]).to(source)
    root.bind(Mapper[T])
    error = refusal(root)
    assert isinstance(error, PortMismatch)
    assert "is a Repository[Order], not a Repository[User]" in error.says


def test_missing_dependency_of_a_closed_form_names_that_form() -> None:
    root = module_of(Service)
    root.bind(Repository[T]).to(SqlRepository[T])
    error = refusal(root)
    assert isinstance(error, MissingBinding)
    assert error.key == Key(Mapper[User])
    assert_golden(error, "generic_missing.txt")


def test_a_form_that_the_bound_refuses_is_missing_and_says_why() -> None:
    class Asks:
        def __init__(self, prices: Repository[Price]) -> None: ...

    root = module_of(Asks)
    root.bind(Repository[E]).to(SqlRepository[E])
    assert_golden(refusal(root), "generic_bound_refuses.txt")
    root = module_of(Asks)
    root.bind(Repository[EITHER]).to(SqlRepository[EITHER])
    root.bind(Mapper[T])
    Container(root).validate()


def test_missing_generic_is_mended_by_the_adapter_closed_for_it() -> None:
    assert refusal(module_of(Service)).fix.startswith(
        "app.bind(Repository[User]).to(SqlRepository[User])"
    )


def test_captive_closed_form_is_mended_on_the_open_line() -> None:
    root = Module("app")
    root.bind(Service, scope=Scope.SINGLETON)
    root.bind(Repository[T], scope=Scope.SINGLETON).to(SqlRepository[T])
    root.bind(Mapper[T])
    error = refusal(root)
    assert isinstance(error, CaptiveDependency)
    assert_golden(error, "generic_captive.txt")


def test_layers_are_checked_on_closed_forms_and_waived_by_the_class() -> None:
    class Rule(Generic[T]):
        __nexios_layer__ = "domain"

        def __init__(self, session: Mapper[T]) -> None: ...

    class Asks:
        def __init__(self, rule: Rule[User]) -> None: ...

    def root() -> Module:
        data = Module("data", layer=Layer.PERSISTENCE)
        data.bind(Mapper[T])
        module = module_of(Asks).include(data.export(Mapper[T]))
        module.bind(Rule[T])
        return module

    error = refusal(root())
    assert isinstance(error, LayerBreach)
    assert_golden(error, "generic_layer_breach.txt")
    Container(root().allow(Rule, Mapper, because="until there is a port")).validate()
    Container(root().allow(Rule[User], Mapper[User], because="until then")).validate()
    assert isinstance(refusal(root().allow(Rule, Price, because="no")), ContainerError)

"""Records: what the standard library's dataclass gives, without compiling it at import."""

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field
from typing import ClassVar, Generic, TypeVar

import pytest

from nexios.container.signature import read
from nexios.records import dataclass

T = TypeVar("T")
FLAVOURS = pytest.mark.parametrize("flavour", [dataclass, dataclasses.dataclass])


@dataclass(frozen=True, slots=True)
class Route:
    """Stands where pickle finds it."""

    path: str
    methods: tuple[str, ...] = ("GET",)
    tags: list[str] = field(default_factory=list, compare=False)
    name: str | None = field(default=None, kw_only=True, repr=False)
    known: ClassVar[int] = 3


@dataclass(frozen=True, slots=True)
class Named(Route):
    """Stands below."""

    label: str = "none"

    def described(self) -> str:
        return f"{self.label} {self.path}"


class Kept(Route):
    """No record itself."""

    def __init__(self, path: str, extra: int) -> None:
        super().__init__(path)
        self.extra = extra


def twins(frozen: bool, slots: bool, **options: bool) -> list[type]:
    def made(flavour: object) -> type:
        class Point:
            """A point."""

            x: int
            y: int = 0
            far: list[int] = field(default_factory=lambda: [1])
            seen: int = field(default=7, init=False)
            free: dict[str, int] = field(default_factory=dict, init=False, compare=False)

            def __post_init__(self) -> None:
                object.__setattr__(self, "y", self.y + 1)

        return flavour(frozen=frozen, slots=slots, **options)(Point)  # type: ignore[operator]

    return [made(dataclass), made(dataclasses.dataclass)]


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("slots", [True, False])
@pytest.mark.parametrize("options", [{}, {"eq": False}, {"repr": False}, {"kw_only": True}])
def test_a_record_is_as_the_standard_library_makes_it(
    frozen: bool, slots: bool, options: dict[str, bool]
) -> None:
    ours, theirs = twins(frozen, slots, **options)
    assert repr(inspect.signature(theirs)) != repr(inspect.signature(ours))  # not written yet
    mine, his = ours(x=1, far=(2,)), theirs(x=1, far=(2,))
    told, standard = (inspect.signature(one).parameters for one in (ours, theirs))
    assert [(p.name, p.kind, p.annotation) for p in told.values()] == [
        (p.name, p.kind, p.annotation) for p in standard.values()
    ]
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__dataclass_params__.frozen == theirs.__dataclass_params__.frozen
    assert dataclasses.asdict(mine) == dataclasses.asdict(his)
    assert hasattr(mine, "__dict__") == hasattr(his, "__dict__") == (not slots)
    assert (mine == ours(x=1, far=(2,))) == (his == theirs(x=1, far=(2,)))
    assert mine != ours(x=2, far=(2,))
    assert mine != his
    assert (ours.__hash__ is None) == (theirs.__hash__ is None)
    assert ("repr" in options) == (" object at " in repr(mine)) == (" object at " in repr(his))
    if not options:
        assert repr(mine) == repr(his)
    assert mine.far == (2,)
    assert ours(x=1).far is not ours(x=1).far


@FLAVOURS
def test_a_wrong_call_is_a_type_error_that_names_the_parameter(flavour: object) -> None:
    @flavour(frozen=True, slots=True)  # type: ignore[operator, untyped-decorator]
    class Point:
        """A point."""

        x: int

    with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required .*'x'"):
        Point()
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Point(x=1, z=2)


def test_frozen_means_frozen() -> None:
    route = Route("/")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'path'"):
        route.path = "/other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'path'"):
        del route.path
    with pytest.raises(FrozenInstanceError):
        Named("/").label = "x"  # type: ignore[misc]
    kept = Kept("/", 1)
    assert kept.extra == 1
    with pytest.raises(FrozenInstanceError):
        kept.path = "/other"  # type: ignore[misc]


def test_equal_records_hash_alike_and_fields_left_out_do_not_count() -> None:
    assert hash(Route("/", tags=["a"])) == hash(Route("/", tags=["b"]))
    assert Route("/", tags=["a"]) == Route("/", tags=["b"])
    assert len({Route("/"), Route("/"), Route("/x")}) == 2
    assert Route("/") != Named("/")


def test_a_record_is_copied_replaced_and_pickled() -> None:
    route = Named("/", tags=["a"], name="n", label="l")
    assert dataclasses.replace(route, label="m").described() == "m /"
    assert [one.name for one in dataclasses.fields(route)] == [
        "path", "methods", "tags", "name", "label"
    ]  # fmt: skip
    for same in (copy.copy(route), copy.deepcopy(route), pickle.loads(pickle.dumps(route))):
        assert same == route
        assert (same.tags, same.name) == (["a"], "n")


def test_what_the_class_says_itself_stays() -> None:
    @dataclass(frozen=True, slots=True)
    class Said:
        """Says how it looks and what it equals."""

        x: int

        def __repr__(self) -> str:
            return "said"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 5

    assert repr(Said(1)) == "said"
    assert Said(1) == 2
    assert hash(Said(1)) == 5


def test_a_class_of_the_standard_library_may_stand_below_a_record() -> None:
    @dataclasses.dataclass(frozen=True)
    class Below(Route):
        more: int = 1

    assert Below("/", more=2) == Below("/", more=2)
    assert repr(Below("/")).endswith("Below(path='/', methods=('GET',), tags=[], more=1)")


def test_a_generic_record_keeps_its_parameters() -> None:
    @dataclass(slots=True)
    class Box(Generic[T]):
        """Holds one."""

        value: T

    assert Box[int](3).value == 3


def test_a_record_may_hold_itself() -> None:
    @dataclass(slots=True, eq=False)
    class Node:
        """Part of a ring."""

        next: object = None

    node = Node()
    node.next = node
    assert repr(node).endswith("Node(next=...)")


def test_the_container_reads_a_record_whose_constructor_nobody_called() -> None:
    @dataclass(frozen=True, slots=True)
    class Service:
        """Never made."""

        route: Route
        tries: int = 3

    found = {one.name: one.annotation for one in read(Service).parameters}
    assert found == {"route": Route, "tries": int}

"""Which plan each entry has now: compiled, waiting to be compiled, or interpreted."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol, cast

from nexios.container.closing import (
    Generators,
    Inside,
    Place,
    Shield,
    close_opened,
    close_opened_now,
    unwind,
    unwind_now,
)
from nexios.container.depend import Lazy, Provider
from nexios.container.emitter import Namespace
from nexios.container.entry import Entry, EntryPoint, Held, Plan
from nexios.container.errors import ContainerError, DependencyCycle, NothingYielded
from nexios.container.graph import Graph, Paths, Wired
from nexios.container.interpreted import (
    Running,
    interpreted,
    is_idle,
    opening,
    parent_place,
)
from nexios.container.interpreter import Ask
from nexios.container.keys import MISSING
from nexios.container.plan import Writer, Written
from nexios.container.roles import Roles, Unplanned
from nexios.container.scope import Scope, ScopeContext, given
from nexios.records import dataclass

COMPILED_AT_START: Final = 200
"""Entries compiled when the container starts; the others are at their first call."""


class Host(Running, Protocol):
    """What plans need of the container."""

    shield: Shield
    eager: frozenset[int]

    @property
    def graph(self) -> Graph:
        """The graph of the moment."""

    @property
    def running(self) -> bool:
        """Whether the container has started."""

    def value(self, slot: int) -> object:
        """Return the object of a slot bound to a value, whatever stands in for it."""


@dataclass(slots=True)
class _Known:
    """An entry with what was found out about it.

    Attributes:
        reach: All nodes below it.
        needs: Those of them that are singletons made at start.
    """

    entry: Entry
    wired: Wired
    reach: frozenset[int]
    needs: frozenset[int]
    idle: bool
    interpreted: Plan | None = None
    written: Written | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class _Maker:
    """What ``scope.get`` runs for a key; the singletons made at start that it reads, or needs."""

    make: Callable[[ScopeContext], object]
    constants: frozenset[int]
    needs: frozenset[int]


class Plans:
    """The plans of a container's entries and keys, swapped as overrides come and go.

    A compiled plan reads singletons as constants. So an entry has it only while the container
    runs, all those constants are made, and no override reaches the entry; else it is interpreted.
    """

    def __init__(self, host: Host, *, compiled: bool) -> None:
        """Start without entries.

        Args:
            compiled: Whether plans are written; interpreted only when not.
        """
        self.compiled = compiled
        self._host = host
        self._known: dict[EntryPoint, _Known] = {}
        self._affected: frozenset[int] = frozenset()
        self._makers: dict[int, _Maker | None] = {}
        self._namespace = _namespace(host, self)
        self._roles: dict[tuple[int, bool], Roles] = {}

    def __getitem__(self, point: EntryPoint) -> Entry:
        """Return the entry of a point.

        Raises:
            KeyError: It has none yet.
        """
        return self._known[point].entry

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._known)

    def __contains__(self, point: EntryPoint) -> bool:
        """Return whether a point has an entry."""
        return point in self._known

    def add(self, point: EntryPoint) -> Entry:
        """Return the entry of a point that is wired."""
        host = self._host
        wired = host.graph.wired[point]
        reach = host.graph.reach(wired.slots)
        entry = Entry(point, _UNPLANNED)
        needs, idle = reach & host.eager, is_idle(host, wired)
        known = self._known[point] = _Known(entry, wired, reach, needs, idle)
        if self.compiled and host.running and not reach & self._affected:
            # Who adds an entry to a running container is about to call it.
            self._write(known)
        entry.plan = self._plan(known)
        return entry

    def started(self) -> None:
        """Take the singletons that were made as constants, and compile what entries there are."""
        objects = self._namespace.objects
        for name in [name for name in objects if name[0] == "s" and name[1:].isdigit()]:
            objects[name] = self._host.root.cache.get(int(name[1:]), MISSING)
        if self.compiled:
            for known in list(self._known.values())[:COMPILED_AT_START]:
                if not known.reach & self._affected:
                    self._write(known)
        self.settle()

    def settle(self, affected: frozenset[int] | None = None) -> None:
        """Give every entry the plan that is right now.

        Args:
            affected: The slots that overrides reach, where that has changed.
        """
        if affected is not None:
            self._affected = affected
        for known in self._known.values():
            known.entry.plan = self._plan(known)

    def why_interpreted(self, point: EntryPoint) -> str:
        """Return why an entry has no compiled plan; empty when it has one, or will have."""
        known = self._known[point]
        if not self.compiled:
            return "the container is interpreted"
        return "an override reaches it" if known.reach & self._affected else known.why_not

    def maker(self, slot: int) -> Callable[[ScopeContext], object] | None:
        """Return what makes the object of a slot in a request's scope, without awaiting.

        None where its graph awaits, where an override is active, where it is interpreted, or
        while a singleton it reads is missing: one that a stand-in kept from being made at start.
        """
        if not self.compiled or self._affected or not self._host.running:
            return None
        if slot not in self._makers:
            self._makers[slot] = self._write_maker(slot)
        maker = self._makers[slot]
        if maker is None or not self._take(maker.constants, maker.needs):
            return None
        return maker.make

    def fold(self, slot: int, value: object) -> None:
        """Make a constant of a singleton that was made at first use."""
        if slot not in self._affected and self._host.root.cache.get(slot, MISSING) is value:
            self._namespace.objects[f"s{slot}"] = value

    def _plan(self, known: _Known) -> Plan:
        host = self._host
        if not self.compiled or known.why_not or known.reach & self._affected:
            return self._stub(known)
        if not host.running and not known.idle:
            return self._stub(known)
        # The interpreter, which a plan may call for one step, takes what it needs as made too.
        written = known.written
        constants = frozenset() if written is None else written.constants
        if host.running and not self._take(constants, known.needs):
            return self._stub(known)
        return self._later(known) if written is None else written.plan

    def _stub(self, known: _Known) -> Plan:
        host = self._host
        ordinary = not known.reach & self._affected and (
            not host.running or known.needs <= host.root.cache.keys()
        )
        if ordinary:
            known.interpreted = known.interpreted or interpreted(host, known.wired)
            return known.interpreted
        try:
            return interpreted(host, known.wired)
        except DependencyCycle as circle:
            # Overrides that end out of order may leave a circle behind: said when it is asked.
            return Plan(partial(_refuse, circle), awaits=False)

    def _later(self, known: _Known) -> Plan:
        """Return a plan that compiles the entry when it is first called."""
        entry = known.entry

        def first(*values: object) -> object:
            self._write(known)
            entry.plan = self._plan(known)
            result = entry.plan.call(*values)
            finish = entry.plan.finish
            return result if finish is None else finish(result)

        async def first_awaited(*values: object) -> object:
            self._write(known)
            entry.plan = self._plan(known)
            result = entry.plan.call(*values)
            if entry.plan.awaits:
                result = await cast("Any", result)
            finish = entry.plan.finish
            return result if finish is None else finish(result)

        waiting = self._stub(known).awaits
        return Plan(first_awaited if waiting else first, waiting)

    def _write(self, known: _Known) -> None:
        if known.written is not None or known.why_not:
            return
        point, wired, host = known.entry.point, known.wired, self._host
        roles = self._roles_of(above=parent_place(point) is not None)
        writer = Writer(point.label, roles, self._namespace, host.value)
        stub = self._stub(known)
        try:
            written = writer.entry(wired, partial(opening, host, wired), stub)
        except Unplanned as reason:
            known.why_not = str(reason)
            return
        known.written = written

    def _write_maker(self, slot: int) -> "_Maker | None":
        roles = self._roles_of(above=False)
        title = self._host.graph.nodes[slot].title
        if roles.paths.first_awaiting((slot,), roles.eager) is not None:
            return None
        writer = Writer(f"scope.get({title})", roles, self._namespace, self._host.value)
        try:
            made = writer.maker(slot)
        except Unplanned:
            return None
        needs = self._host.graph.reach((slot,)) & roles.eager
        make = cast("Callable[[ScopeContext], object]", made)
        return _Maker(make, writer.constants, needs)

    def _take(self, constants: frozenset[int], needs: frozenset[int]) -> bool:
        """Let singletons be constants; return False when one of those needed is not made."""
        # One cache all along: an override that begins in another thread puts another in its place.
        cache = self._host.root.cache
        if not needs <= cache.keys():
            return False
        self._namespace.objects.update({f"s{slot}": cache[slot] for slot in constants})
        return True

    def _roles_of(self, *, above: bool) -> Roles:
        graph = self._host.graph
        name = (id(graph), above)
        if name not in self._roles:
            self._roles = {key: item for key, item in self._roles.items() if key[0] == id(graph)}
            self._roles[name] = Roles(Paths(graph), self._host.eager, above=above)
        return self._roles[name]


def _refuse(error: Exception, *_: object) -> object:
    raise error


_UNPLANNED: Final = Plan(partial(_refuse, RuntimeError("no plan was given yet")), awaits=False)


def _namespace(host: Host, plans: Plans) -> Namespace:
    """Return what every plan may use, under names that no generated one has."""
    interpreter = host.interpreter

    async def lazy(slot: int, label: str) -> object:
        value = await interpreter.fetch(host.root, slot, Ask((), label))
        plans.fold(slot, value)
        return value

    def lazy_now(slot: int, label: str) -> object:
        value = interpreter.fetch_now(host.root, slot, Ask((), label))
        plans.fold(slot, value)
        return value

    async def fetch(scope: ScopeContext, slot: int, label: str) -> object:
        return await interpreter.fetch(scope, slot, Ask((), label))

    def fetch_now(scope: ScopeContext, slot: int, label: str) -> object:
        return interpreter.fetch_now(scope, slot, Ask((), label))

    return Namespace(
        M=MISSING, Ask=Ask, Held=Held, Inside=Inside, Lazy=Lazy, Provider=Provider,
        lazy=lazy, lazy_now=lazy_now, fetch=fetch, fetch_now=fetch_now,
        note=_note, nothing=NothingYielded, given=given, wired=_wired,
        connection=_connection, later=_later, shield=host.shield,
        unwind=unwind, unwind_now=unwind_now,
        close_opened=close_opened, close_opened_now=close_opened_now,
        step=interpreter.step, step_now=interpreter.step_now,
        made=interpreter.made, made_now=interpreter.made_now,
    )  # fmt: skip


def _note(error: BaseException, notes: Mapping[int, str]) -> None:
    """Say on an exception which line of the plan it came from."""
    if not isinstance(error, Exception) or isinstance(error, ContainerError):
        return
    # Caught in the plan itself, so the first entry of the traceback is the plan's.
    trace = error.__traceback__
    text = notes.get(trace.tb_lineno) if trace is not None else None
    if text:
        error.add_note(text)


def _wired(made: object, names: tuple[str, ...], *values: object) -> object:
    for name, value in zip(names, values, strict=True):
        setattr(made, name, value)
    return made


def _connection(scope: ScopeContext) -> ScopeContext | None:
    """Return the connection at or above a scope."""
    found = scope.at(Scope.CONNECTION)
    return found if found is not None and found.kind is Scope.CONNECTION else None


def _later(places: tuple[Place, ...], opened: Generators, shield: Shield) -> Any:
    async def close(error: BaseException | None) -> None:
        if error is None:
            await close_opened(places, opened, shield)
        else:
            await unwind(places, opened, error, shield)

    return close

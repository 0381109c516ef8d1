"""Writes the plan of an entry: straight-line Python for what it needs, and nothing else."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from typing import Any, cast

from nexios.container.binding import Answer
from nexios.container.entry import Plan
from nexios.container.graph import Node, Wired
from nexios.container.interpreted import parent_place, with_owner
from nexios.container.interpreter import making
from nexios.container.lines import Lines, run
from nexios.container.roles import Role
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class Written:
    """A plan, and the singletons made at start that it reads as constants."""

    plan: Plan
    constants: frozenset[int]


class Writer(Lines):
    """Writes one function: a plan, or what ``scope.get`` runs."""

    def maker(self, slot: int) -> Callable[..., object]:
        """Write what ``scope.get`` runs for a key whose graph does not await."""
        self._scoped = self._shared = True
        self._label = ""  # of no entry
        note = making(self._nodes[slot], "")
        with self._emitter.block("def make(scope):"):
            self._line("cache = scope.cache")
            if self._roles.of(slot) is Role.LOCAL:
                self._line(f"v{slot} = cache.get({slot}, M)")
                with self._emitter.block(f"if v{slot} is not M:"):
                    self._line(f"return v{slot}")
            self._line("keep = cache.setdefault")
            with self._noted():
                self._steps((slot,))
                queue = self._driven(self._paths.transients((slot,)))
                self._line(f"return {run(self._slot(slot, queue, note))}", note=note)
        return self._emitter.function("make", self._namespace)

    def entry(self, wired: Wired, opening: Callable[[], object], stub: Plan) -> Written:
        """Write the plan of an entry.

        Args:
            wired: What to call with what.
            opening: Makes what opens the scope of a call, where a scope object is needed.
            stub: The interpreted way, for a scope of another kind than was planned for.

        Raises:
            Unplanned: It is better interpreted.
        """
        point, awaits = wired.point, stub.awaits
        self._inputs(wired)
        region = self._roles.region(wired.slots)
        roles = {self._roles.of(slot) for slot in region}
        self._shared = point.shared and self._parent is not None
        self._scoped = self._shared or Role.SCOPE in roles
        opens = any(
            self._roles.of(slot) in (Role.LOCAL, Role.DRIVEN) and _exits(self._nodes[slot])
            for slot in region
        )
        held = self._scoped or opens
        head = self._line(f"def plan({self._values}):")
        with self._emitter.indented():
            self._prologue(wired, roles, opening, stub)
            last = 0
            if held:
                self._held(wired, awaits=awaits)
            else:
                last = self._straight(wired, region)
        if self._awaits or (awaits and held):
            self._emitter.rewrite(head, f"async def plan({self._values}):")
        target = None
        if last and self._waits_last(wired):
            self._hand_on(head, last)
            target = _of_one_value(wired)
        function = self._emitter.function("plan", self._namespace)
        reads_only = not self._values_kept and self._parent is None
        plan = Plan(function, awaits, None if held else point.finish, reads_only, target)
        return Written(plan, self.constants)

    @property
    def constants(self) -> frozenset[int]:
        """The singletons made at start that were written as constants."""
        return frozenset(self._constants)

    def _inputs(self, wired: Wired) -> None:
        point = wired.point
        names = [f"a{index}" for index in range(len(point.values))]
        self._values = ", ".join(names)
        self._givers = dict(zip(point.values, names, strict=True))
        self._supplies = point.supplies
        place = parent_place(point)
        self._parent = None if place is None else names[place]

    def _prologue(
        self, wired: Wired, roles: set[Role], opening: Callable[[], object], stub: Plan
    ) -> None:
        """Write what precedes the wiring: refuse what is over, find the scopes."""
        if self._shared:
            kind = self._name("kind", wired.point.scope)
            with self._emitter.block(f"if {self._parent}.kind is not {kind}:"):
                self._interpret(stub)
            self._line(f"scope = {self._parent}")
        elif self._parent is not None and not self._scoped:
            with self._emitter.block(f"if {self._parent}.closed:"):
                self._line(f"{self._parent}.refuse_if_closed({self._name('x', self._label)})")
        if Role.ABOVE in roles:
            self._line(f"above = connection({self._parent})")
            with self._emitter.block("if above is None:"):
                self._interpret(stub)
        if self._scoped and not self._shared:
            comma = "," if self._values else ""
            self._values_kept = True
            self._line(f"scope, _ = {self._name('open', opening())}(({self._values}{comma}))")

    def _interpret(self, stub: Plan) -> None:
        self._values_kept = True
        text = f"{self._name('stub', stub.call)}({self._values})"
        self._line(f"return {self._await(text, stub.awaits)}")

    def _waits_last(self, wired: Wired) -> bool:
        """Tell whether a plan, once it has read what may be there, only waits for its target.

        Nothing is made or called before it reads: that would be done a second time.
        """
        once = len(self._tried) == 1 and self._awaits == 2
        return once and wired.target.awaits and not wired.before

    def _hand_on(self, head: int, last: int) -> None:
        """Make a plan no coroutine: it hands on its target's, or that of one that reads later.

        One coroutine less a call. What stands before the read is read again then.
        """
        emitter = self._emitter
        ((asks, awaits),) = self._tried
        asked = emitter.text(asks)
        emitter.rewrite(asks, f"{asked.partition(' ')[0]} = M")
        later = emitter.function("plan", self._namespace)
        emitter.rewrite(asks, asked)
        emitter.rewrite(head, f"def plan({self._values}):")
        emitter.rewrite(awaits, f"return {self._name('w', later)}({self._values})")
        emitter.rewrite(last, emitter.text(last).replace("return await ", "return ", 1))

    def _straight(self, wired: Wired, region: Iterable[int]) -> int:
        """Write a plan that has nothing to close; return the number of its last line."""
        last = wired.target
        made = any(
            self._roles.of(slot) in (Role.LOCAL, Role.INLINE, Role.DRIVEN)
            # An alias is made of what it stands for, and may be written as its name alone.
            and self._nodes[slot].binding.answer is not Answer.ALIAS
            for slot in region
        )
        with self._noted() if made else nullcontext():
            for call in wired.before:
                if text := self._call(call):
                    self._line(self._await(text, call.awaits))
            text = self._call(last)
        # An awaitable that comes last is the caller's to await: one coroutine less a call.
        return self._line(f"return {self._await(text, last.awaits and self._awaits > 0)}")

    def _held(self, wired: Wired, *, awaits: bool) -> None:
        """Write a plan that closes a scope, or what it opened itself."""
        point, emitter = wired.point, self._emitter
        nothing_opened = 0 if self._scoped else self._line("")
        with emitter.block("try:"):
            if self._scoped:
                self._line("cache = scope.cache")
                self._line("keep = cache.setdefault")
            for call in wired.before:
                if text := self._call(call):
                    self._line(self._await(text, call.awaits))
            text = self._call(wired.target)
            self._line(f"result = {self._await(text, wired.target.awaits)}")
            if point.finish is not None:
                self._line(f"result = {self._name('finish', point.finish)}(result)")
            # All that opens is written: from here on it is known.
            close = self._closers(nothing_opened, awaits=awaits)
            if point.streams is not None and close.later:
                test = f"{self._name('streams', point.streams)}(result)"
                with emitter.block(f"if {test}:"):
                    self._line(f"return Held(result, {close.later})")
        with emitter.block("except BaseException as error:"):
            self._line(f"note(error, {self._name('notes', emitter.notes)})")
            if close.after_error:
                self._line(close.after_error)
            self._line("raise")
        if close.after_success:
            self._line(close.after_success)
        self._line("return result")

    def _closers(self, nothing_opened: int, *, awaits: bool) -> "_Closers":
        if self._shared:
            return _Closers("", "", "")
        wait, now = ("await ", "") if awaits else ("", "_now")
        if not self._scoped and all(one.prompt or not one.awaits for one in self._places):
            wait, now = "", "_now"
        if self._scoped:
            return _Closers(
                f"{wait}scope.close{now}(error)", f"{wait}scope.close{now}()", "scope.close"
            )
        names = [f"g{index}" for index in range(len(self._places))]
        self._emitter.rewrite(nothing_opened, f"{' = '.join(names)} = None")
        what = f"{self._name('places', tuple(self._places))}, ({', '.join(names)},)"
        shield = ", shield" if wait else ""
        return _Closers(
            f"{wait}unwind{now}({what}, error{shield})",
            f"{wait}close_opened{now}({what}{shield})",
            f"later({what}, shield)",
        )


@dataclass(frozen=True, slots=True)
class _Closers:
    """The lines that end a plan; empty where the scope is somebody else's to close."""

    after_error: str
    after_success: str
    later: str


def _of_one_value(wired: Wired) -> Callable[[Any], Awaitable[object]] | None:
    """Return the target, where it takes one value and nothing is made for it."""
    arguments = with_owner(wired.target)
    one = len(arguments) == 1 and arguments[0].getter is not None and not arguments[0].by_name
    return cast("Any", wired.target.function) if one and not wired.slots else None


def _exits(node: Node) -> bool:
    return node.kind is not None and node.kind.exits

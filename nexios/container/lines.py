"""Writes the lines of a plan: what is read, made and opened, and the calls it all goes into."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from keyword import iskeyword
from typing import Any, Final

from nexios.container.binding import Answer
from nexios.container.bytecode import never_waits
from nexios.container.closing import Place
from nexios.container.emitter import Emitter, Namespace
from nexios.container.entry import Getter
from nexios.container.graph import Argument, Call, Node
from nexios.container.interpreted import waits, with_owner
from nexios.container.interpreter import making
from nexios.container.keys import AnyKey
from nexios.container.nesting import may_hold
from nexios.container.roles import Role, Roles, Unplanned
from nexios.container.signature import SourceKind

Queue = dict[int, deque[str]]
"""What was made for one asker, by slot, in the order it will be asked for."""
Text = Generator[Any, str, str]
"""An expression in the making: yields the parts it needs, returns its text."""

NESTED_CALLS: Final = 8
"""Calls written into one another; past it each has its own line: Python refuses 200 nested."""
INLINED_CALLS: Final = 5_000
"""Objects made for each asker in one plan; past it the entry is interpreted."""


class Lines:
    """The lines of one function. The objects it names go into the namespace, which plans share.

    Names that every plan may use stand in the namespace already (see ``plans.py``): ``M`` for
    MISSING, ``note``, ``lazy``, ``fetch``, ``step``, ``made``, ``given`` and the closers.
    """

    def __init__(
        self, label: str, roles: Roles, namespace: Namespace, value: Callable[[int], object]
    ) -> None:
        """Start a function.

        Args:
            label: Of the entry.
            roles: How each node is come by.
            namespace: Where the objects go.
            value: Returns the object of a slot bound to a value.
        """
        self._label = label
        self._roles = roles
        self._paths = roles.paths
        self._nodes = roles.paths.graph.nodes
        self._namespace = namespace
        self._value_of = value
        self._emitter = Emitter(label)
        self._constants: set[int] = set()
        self._done: set[int] = set()
        self._places: list[Place] = []
        self._awaits = 0
        self._tried: list[tuple[int, int]] = []  # lines that ask at once, and await else
        self._scoped = False
        self._shared = False
        self._inlined = 0
        self._values = ""
        self._values_kept = False  # or handed to anything but a getter
        self._read: dict[Getter, str] = {}  # in lines that run before all others
        self._givers: dict[object, str] = {}
        self._parent: str | None = None
        self._supplies: Mapping[AnyKey, Callable[..., object]] = {}

    def _call(self, call: Call) -> str:
        """Write what a call needs; return the call, empty when there is nothing to call."""
        reads = self._reads(call.arguments)
        self._steps(call.slots)
        queue = self._driven(self._paths.transients(call.slots))
        arguments = self._arguments(with_owner(call), reads, queue)
        return "" if call.function is None else f"{self._name('f', call.function)}({arguments})"

    def _reads(self, arguments: Sequence[Argument]) -> dict[int, str]:
        """Write what getters read, in order; return the names by the place of the argument."""
        found: dict[int, str] = {}
        for argument in arguments:
            getter = argument.getter
            if getter is None:
                continue
            known = self._read.get(getter)
            if known is not None:
                found[id(argument)] = known
                continue
            name = found[id(argument)] = self._emitter.local("p")
            if getter.now is not None:
                self._try_now(name, getter.now, getter.read)
            elif getter.item is None or "," in self._values:
                text = f"{self._name('r', getter.read)}({self._values})"
                self._line(f"{name} = {self._await(text, waits(argument))}")
            else:
                attribute, key = getter.item
                self._line(f"{name} = {self._values}.{attribute}[{key!r}]")
            if getter.same and self._emitter.straight:
                self._read[getter] = name
        return found

    def _try_now(self, name: str, now: object, read: object) -> None:
        """Write a read that is awaited only where there is something to wait for."""
        asks = self._line(f"{name} = {self._name('n', now)}({self._values})")
        with self._emitter.block(f"if {name} is M:"):
            text = self._await(f"{self._name('r', read)}({self._values})", True)
            self._tried.append((asks, self._line(f"{name} = {text}")))

    def _steps(self, slots: tuple[int, ...]) -> None:
        """Write the making of what is kept and not there yet, in the one order."""
        for slot in self._roles.order(slots):
            if slot in self._done:
                continue
            match self._roles.of(slot):
                case Role.LAZY:
                    where = f"{slot}, {self._name('x', self._label)}"
                    self._kept(slot, self._namespace.singleton(slot), "lazy", where)
                case Role.ABOVE:
                    where = f"above, {slot}, {self._name('x', self._label)}"
                    self._kept(slot, f"above.cache.get({slot}, M)", "fetch", where)
                case Role.LOCAL if self._scoped:
                    self._step_in_scope(self._nodes[slot])
                case Role.LOCAL:
                    self._produce(slot, f"v{slot}")
                case _:
                    continue
            self._done.add(slot)

    def _kept(self, slot: int, look: str, fetch: str, what: str) -> None:
        """Write the look for an object that outlives the call, and its making when missing."""
        waits_for = self._paths.first_awaiting((slot,), self._roles.eager) is not None
        self._line(f"v{slot} = {look}", comment=self._nodes[slot].title)
        with self._emitter.block(f"if v{slot} is M:"):
            text = f"{fetch}{'' if waits_for else '_now'}({what})"
            self._line(f"v{slot} = {self._await(text, waits_for)}")

    def _step_in_scope(self, node: Node) -> None:
        """Write the making of an object that a scope keeps."""
        slot = node.slot
        self._line(f"if {slot} in cache: v{slot} = cache[{slot}]", comment=node.title)
        with self._emitter.block("else:"):
            if node.driven or self._paths.prepares(slot):
                self._line(f"v{slot} = {self._by_interpreter('step', slot)}")
            else:
                note = making(node, self._label)
                text = run(self._construct(node, {}, note))
                self._line(f"v{slot} = keep({slot}, {text})", note=note)

    def _by_interpreter(self, name: str, slot: int) -> str:
        waits_for = self._paths.step_awaits(slot)
        comma = "," if self._values else ""
        self._values_kept = True
        ask = f"Ask(({self._values}{comma}), {self._name('x', self._label)})"
        text = f"{name}{'' if waits_for else '_now'}(scope, {slot}, {ask})"
        return self._await(text, waits_for)

    def _driven(self, slots: Iterable[int]) -> Queue:
        """Write the making of what is awaited or opened for one asker."""
        queue: Queue = {}
        for slot in slots:
            name = self._emitter.local("t")
            if self._scoped:
                self._line(f"{name} = {self._by_interpreter('made', slot)}")
            else:
                self._produce(slot, name)
            queue.setdefault(slot, deque()).append(name)
        return queue

    def _produce(self, slot: int, target: str) -> None:
        """Write the making of one object into a local variable."""
        self._inlined += 1
        if self._inlined > INLINED_CALLS:
            raise Unplanned("it makes too many objects to write them out")
        node = self._nodes[slot]
        note = making(node, self._label)
        queue = self._driven(self._paths.prepares(slot))
        if not node.driven:
            text = run(self._construct(node, queue, note))
            self._line(f"{target} = {text}", comment=node.title, note=note)
            return
        reads = self._reads(node.arguments)
        arguments = self._arguments(node.arguments, reads, queue)
        text = f"{self._source(node)}({arguments})"
        match node.kind:
            case SourceKind.GENERATOR | SourceKind.ASYNC_GENERATOR:
                self._open(node, target, text)
            case kind:
                text = self._await(text, kind is SourceKind.COROUTINE)
                self._line(f"{target} = {text}", comment=node.title, note=note)

    def _open(self, node: Node, target: str, text: str) -> None:
        """Write the opening of a generator, up to its value."""
        note, waits_for = making(node, self._label), node.kind is SourceKind.ASYNC_GENERATOR
        held = self._emitter.local("h")
        inside = waits_for and may_hold(node.binding.source)
        if inside:
            before = self._emitter.local("b")
            self._line(f"{before} = shield.innermost()")
        self._line(f"{held} = {text}", comment=node.title, note=note)
        first = self._await(f"{held}.__anext__()", True) if waits_for else f"next({held})"
        with self._emitter.block("try:"):
            self._line(f"{target} = {first}", note=note)
        with self._emitter.block(f"except Stop{'Async' * waits_for}Iteration:"):
            self._line(f"raise nothing({self._name('x', node.title)}) from None")
        if inside:
            held = f"{held} if shield.innermost() is {before} else Inside({held})"
        self._line(f"g{len(self._places)} = {held}")
        prompt = waits_for and not inside and never_waits(node.binding.source)
        self._places.append(Place(node.title, waits_for, prompt))

    def _arguments(
        self, arguments: Sequence[Argument], reads: dict[int, str], queue: Queue
    ) -> str:
        """Write arguments that are more than a name on lines of their own; return the list."""
        positional: list[str] = []
        named: list[tuple[str, str]] = []
        for argument in arguments:
            text = reads.get(id(argument), "")
            if not text:
                note = "" if argument.slot is None else making(
                    self._nodes[argument.slot], self._label
                )  # fmt: skip
                text = self._alone(run(self._argument(argument, queue, note)), note)
            if argument.by_name:
                named.append((argument.parameter.name, text))
            else:
                positional.append(text)
        return self._listed(positional, named)

    def _argument(self, argument: Argument, queue: Queue, note: str) -> Text:
        if argument.slot is None:
            return self._name("x", argument.value)
        return (yield self._slot(argument.slot, queue, note))

    def _slot(self, slot: int, queue: Queue, note: str) -> Text:
        """Return the expression of a node's object."""
        node = self._nodes[slot]
        match self._roles.of(slot):
            case Role.CONSTANT if node.binding.answer is Answer.VALUE:
                return self._namespace.fixed(f"k{slot}", self._value_of(slot))
            case Role.CONSTANT:
                self._constants.add(slot)
                return self._namespace.singleton(slot)
            case Role.LAZY | Role.ABOVE | Role.LOCAL:
                return f"v{slot}"
            case Role.DRIVEN:
                return queue[slot].popleft()
            case Role.GIVEN:
                return self._given(node)
            case Role.SCOPE if node.binding.answer is Answer.CURRENT:
                return "scope"
            case Role.SCOPE:
                handle = "Provider" if node.binding.answer is Answer.PROVIDER else "Lazy"
                return f"{handle}(scope, {next(iter(node.slots))})"
        return (yield self._construct(node, queue, note))

    def _given(self, node: Node) -> str:
        """Return the expression of a value that comes with the call."""
        key = node.binding.key
        self._values_kept = True
        if key in self._givers and not self._shared:
            return self._givers[key]
        where = "scope" if self._scoped else self._parent
        if where is not None:
            return self._looked_up(where, key)
        if key not in self._supplies:
            raise Unplanned(f"{key} comes with the scope only")
        # Computed where it is read first: the lines run in the order they stand in.
        text = f"({self._emitter.local('u')} := {self._name('r', self._supplies[key])}"
        self._givers[key] = text.partition(" ")[0].lstrip("(")
        return f"{text}({self._values}))"

    def _looked_up(self, where: str, key: AnyKey) -> str:
        """Write the look for a value among those of a scope; mostly it is the scope's own."""
        name, wanted = self._emitter.local("u"), self._name("x", key)
        with self._emitter.block("try:"):
            self._line(f"{name} = {where}.values[{wanted}]")
        with self._emitter.block("except (KeyError, TypeError):"):
            self._line(f"{name} = M")
        with self._emitter.block(f"if {name} is M:"):
            self._line(f"{name} = given({where}, {wanted})")
        return name

    def _construct(self, node: Node, queue: Queue, note: str) -> Text:
        """Return the call that makes a node's object, its arguments written into it."""
        self._inlined += 1
        if self._inlined > INLINED_CALLS:
            raise Unplanned("it makes too many objects to write them out")
        deep = self._roles.height(node.slot) > NESTED_CALLS
        positional: list[str] = []
        named: list[tuple[str, str]] = []
        for argument in node.arguments:
            text = yield self._argument(argument, queue, note)
            text = self._alone(text, note) if deep else text
            if argument.by_name:
                named.append((argument.parameter.name, text))
            else:
                positional.append(text)
        match node.binding.answer:
            case Answer.ALIAS:
                return positional[0]
            case Answer.LIST:
                return f"[{', '.join(positional)}]"
            case Answer.TUPLE:
                return f"({''.join(f'{item}, ' for item in positional)})"
            case Answer.DICT:
                names = [self._name("x", name) for name in node.names]
                pairs = zip(names, positional, strict=True)
                return f"{{{', '.join(f'{name}: {item}' for name, item in pairs)}}}"
        source = self._source(node)
        if not node.attributes:
            return f"{source}({self._listed(positional, named)})"
        attributes = tuple(name for name, _ in named)
        values = ", ".join(text for _, text in named)
        return f"wired({source}(), {self._name('x', attributes)}, {values})"

    def _listed(self, positional: Sequence[str], named: Sequence[tuple[str, str]]) -> str:
        odd = [pair for pair in named if not _is_plain(pair[0])]
        parts = [*positional, *(f"{name}={text}" for name, text in named if _is_plain(name))]
        parts += [f"**{{{self._name('x', name)}: {text}}}" for name, text in odd]
        return ", ".join(parts)

    def _alone(self, text: str, note: str) -> str:
        """Return a name for an expression, written on a line of its own unless it is one."""
        if text.isidentifier():
            return text
        name = self._emitter.local("t")
        self._line(f"{name} = {text}", note=note)
        return name

    def _source(self, node: Node) -> str:
        return self._namespace.fixed(f"c{node.slot}", node.function)

    def _name(self, prefix: str, value: object) -> str:
        return self._namespace.named(prefix, value)

    def _line(self, text: str, *, comment: str = "", note: str = "") -> int:
        return self._emitter.line(text, comment=comment, note=note)

    def _await(self, text: str, waits_for: bool) -> str:
        self._awaits += waits_for
        return f"await {text}" if waits_for else text

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Say on exceptions from inside what was being made."""
        with self._emitter.block("try:"):
            yield
        with self._emitter.block("except Exception as error:"):
            self._line(f"note(error, {self._name('notes', self._emitter.notes)})")
            self._line("raise")


def run(text: Text) -> str:
    """Return the text of an expression, however deep it nests: the stack is a list."""
    stack = [text]
    answer: str | None = None
    while True:
        try:
            stack.append(stack[-1].send(answer))  # type: ignore[arg-type]  # None at first
            answer = None
        except StopIteration as done:
            stack.pop()
            answer = done.value
            if not stack:
                return answer


def _is_plain(name: str) -> bool:
    # Python folds other letters when it reads a source, and not in a keyword given by name.
    return name.isascii() and name.isidentifier() and not iskeyword(name)

"""Grows the graph from entries and bindings."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from nexios.container.asking import (
    View,
    nameless,
    readable,
    wrapped_keys,
)
from nexios.container.binding import Answer, Binding, Origin
from nexios.container.depend import Marker
from nexios.container.entry import EntryPoint
from nexios.container.errors import DependencyCycle, MissingBinding, ModuleMisuse
from nexios.container.filling import Filler
from nexios.container.fixes import as_written, module_place
from nexios.container.generics import solved
from nexios.container.graph import Argument, Asked, Call, Fault, Node, Wired
from nexios.container.keys import (
    MISSING,
    AnyKey,
    Key,
)
from nexios.container.module import Module, variable
from nexios.container.places import Step
from nexios.container.registry import Found
from nexios.container.scope import Scope
from nexios.container.signature import (
    Kind,
    Parameter,
    SourceKind,
    display,
    kind_of,
    place_of,
    read,
)
from nexios.container.trails import forms_above
from nexios.container.typevars import is_open

# A form that asks for a smaller one ends; ten of one binding on one way are not meant to.
_DEEPEST_FORM: Final = 10


class Builder(Filler):
    """Grows a graph, as a copy of what another builder has."""

    @property
    def new(self) -> list[Node]:
        """The nodes this builder added."""
        return self.graph.nodes[self.first_new :]

    def build(self, points: Sequence[EntryPoint], *, whole: bool) -> None:
        """Wire entries, and with ``whole`` every binding and controller of the registry too."""
        self._connected |= {
            point.owner
            for point in points
            if point.owner is not None and point.scope is Scope.CONNECTION
        }
        for point in points:
            self.entry(point)
        # First what entries reach, so that a problem shows the path from its route.
        self._work()
        if whole:
            for binding in self.registry.bindings:
                # What is open makes nothing until somebody asks for a closed form.
                if not is_open(binding.key) and not self.registry.has_yielded(binding):
                    self.slot(binding, None)
            for binding in self.registry.decorated():
                self.slot(binding, None)
            for module in self.registry.modules:
                for cls, _ in module.controller_classes:
                    self.owner(module, cls, None)
        self.settle()

    def settle(self) -> None:
        """Wire what is pending, then keep controllers where that is right."""
        self._work()
        self._retry()
        self.graph.promote(self.new)

    def _work(self) -> None:
        while self._pending:
            self._wire(self.graph.nodes[self._pending.popleft()])

    def entry(self, point: EntryPoint) -> None:
        """Wire one entry point.

        Raises:
            ModuleMisuse: Its module is not part of this container.
        """
        module = point.module or self.registry.root
        if module not in self.registry.modules:
            root = variable(self.registry.root.name)
            raise ModuleMisuse(
                f'{point.label} belongs to module "{module.name}", which is not included',
                asked_by=[Step("module", f'"{module.name}"', module.where)],
                fix=f"{root}.include({variable(module.name)})",
                label=point.label,
            )
        before = tuple(self._guard(point, module, item) for item in point.before)
        view = View(module, point.target, point, automatic=point.module is None)
        owner = None
        if point.owner is not None:
            owner = self.owner(module, point.owner, Asked(None, None, point.label))
        target = self.call(point.target, view, owner=owner)
        self.graph.wired[point] = Wired(point, before, target)

    def call(
        self,
        function: Callable[..., object],
        view: View,
        *,
        owner: int | None = None,
        given: frozenset[str] = frozenset(),
    ) -> Call:
        """Wire the parameters of something that is called, not kept."""
        signature = read(function, self.names, bound=owner is not None)
        arguments = self._arguments(signature.parameters, view, None, given)
        awaits = kind_of(function) is SourceKind.COROUTINE
        return Call(function, owner, arguments, awaits)

    def owner(self, module: Module, cls: type, asked: Asked | None) -> int:
        """Return the slot of a controller or guard class, bound as one where nobody bound it."""
        found = self.registry.find(module, Key(cls)).one
        if found is None:
            scope = Scope.CONNECTION if cls in self._connected else Scope.REQUEST
            found = self._made(
                (module, cls),
                lambda: Binding(
                    Key(cls), Answer.SOURCE, cls, scope,
                    where=place_of(cls),
                    origin=Origin.CONTROLLER,
                ),
            )  # fmt: skip
        return self.slot(found, asked, module)

    def ask(self, module: Module, key: AnyKey) -> int | Found:
        """Return the slot for a key asked at run time, or what was found instead."""
        slot = self._lookup(key, View(module, self.ask), None)
        if isinstance(slot, int):
            self.settle()
        return slot

    def _guard(self, point: EntryPoint, module: Module, item: object) -> Call:
        automatic = point.module is None
        if isinstance(item, Marker):
            parameter = Parameter(
                display(item.source), MISSING, item, Kind.POSITIONAL_ONLY, 0,
                place_of(item.source) if callable(item.source) else place_of(point.target),
            )  # fmt: skip
            view = View(module, point.target, point, before=True, automatic=automatic)
            argument = self._argument(parameter, view, None, by_name=False)
            return Call(None, None, () if argument is None else (argument,), awaits=False)
        if isinstance(item, type):
            check: Callable[..., object] = getattr(item, "check", None) or item.__call__
            step = Step("asked by", f"guard {display(item)}", place_of(item))
            owner = self.owner(module, item, Asked(step, None, point.label))
            view = View(module, check, point, before=True, automatic=automatic)
            return self.call(check, view, owner=owner)
        function: Callable[..., object] = getattr(item, "check", None) or cast("Any", item)
        view = View(module, function, point, before=True, automatic=automatic)
        return self.call(function, view)

    def _wire(self, node: Node) -> None:
        binding = node.binding
        if self._is_endless(node):
            return
        match binding.answer:
            case Answer.SOURCE if binding.origin is Origin.FUNCTION:
                self._wire_function(node)
            case Answer.SOURCE if readable(binding.source):
                self._wire_source(node)
            case Answer.LIST | Answer.TUPLE | Answer.DICT:
                asked = Asked(Step("asked by", str(binding.key)), node.slot)
                node.names = tuple(member.key.name for member in binding.members)
                node.arguments = tuple(
                    Argument(nameless(str(member.key), member), by_name=False,
                             slot=self.slot(member, asked), asked=member.key)
                    for member in binding.members
                )  # fmt: skip
            case Answer.ALIAS | Answer.PROVIDER | Answer.LAZY:
                node.arguments = (self._other(node),)

    def _is_endless(self, node: Node) -> bool:
        """Return whether an open binding asks for further forms of itself without end.

        The first of them is told; what is below it stays unwired.
        """
        opened = node.binding.open
        if opened is None or opened in self.endless:
            return opened is not None
        above = forms_above(self.graph, node)
        if len(above) < _DEEPEST_FORM:
            return False
        self.endless.add(opened)
        first, slot = above[0]
        forms = [first.title, *(item.title for item, _ in above[1:3])]
        asked = above[1][0].binding.key
        fix = f"bind {asked} itself, so that it ends there: "
        fix += f"{variable(node.module.name)}.bind({asked}).to(...)   {module_place(node.module)}"
        if opened.origin is Origin.DECORATOR:
            one = as_written(self.registry, node.module, replace(first.binding, open=None))
            fix = f"decorate only what has an end: {one}"
        fault = Fault(
            DependencyCycle, first.binding.key,
            says=f"{first.title} needs ever further forms of {opened.key}: "
            f"{' -> '.join(forms)} -> ...",
            fix=fix,
        )  # fmt: skip
        first.arguments = tuple(
            replace(item, slot=None, fault=fault) if item.slot == slot else item
            for item in first.arguments
        )
        return True

    def _other(self, node: Node) -> Argument:
        """Fill the one edge of an alias or a handle."""
        key, inner = node.binding.other, node.binding.inner
        view = View(node.module, self.ask, inner=inner, wrapped=frozenset({key}))
        return self._filled(key, nameless(str(key), node.binding), view, node.slot)

    def _wire_source(self, node: Node) -> None:
        binding = node.binding
        source = binding.function
        form, types = solved(binding)
        signature = read(cast("Callable[..., object]", form), self.names, types=types)
        node.attributes = signature.attributes
        automatic = binding.origin is Origin.AUTOMATIC or (
            binding.origin is Origin.CONTROLLER and node.module is self.registry.root
        )
        view = View(
            node.module, source, automatic=automatic, using=binding.using,
            inner=binding.inner, wrapped=wrapped_keys(binding, signature.parameters),
        )  # fmt: skip
        node.arguments = self._arguments(signature.parameters, view, node.slot)

    def _wire_function(self, node: Node) -> None:
        source = node.binding.function
        point = node.point
        view = View(
            node.module, source, point,
            before=node.before, automatic=point is not None and point.module is None,
            marked=True,
        )  # fmt: skip
        node.arguments = self._arguments(read(source, self.names).parameters, view, node.slot)

    def _retry(self) -> None:
        """Fill what was missing when asked, and has bound itself since, whoever came first."""
        for node in list(self.graph.nodes[self.first_new :]):
            if node.module is not self.registry.root:
                continue
            node.arguments = tuple(self._again(item) for item in node.arguments)

    def _again(self, argument: Argument) -> Argument:
        fault = argument.fault
        if fault is None or fault.key is None or fault.error is not MissingBinding:
            return argument
        made = self.made.get(("auto", fault.key))
        if made is None:
            return argument
        return replace(argument, fault=None, slot=self.slots[made])

"""Decides what fills each parameter, and so grows the graph from entries and bindings."""

import functools
import inspect
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, get_args, get_origin

from nexios.container.binding import Answer, Binding, Origin
from nexios.container.depend import Lazy, Marker, Provider
from nexios.container.entry import EntryPoint, Unreadable
from nexios.container.errors import MissingBinding, Step, UnreadableParameter
from nexios.container.graph import Argument, Asked, Call, Fault, Graph, Node, Wired
from nexios.container.keys import (
    MISSING,
    AnyKey,
    Collected,
    Key,
    collected,
    is_form,
    is_value_type,
    key_of,
    optional_of,
    show,
    union_members,
)
from nexios.container.module import Module
from nexios.container.registry import Found, Registry
from nexios.container.scope import Scope
from nexios.container.signature import (
    Kind,
    Parameter,
    Signature,
    SourceKind,
    Unresolved,
    display,
    kind_of,
    makes_context_manager,
    place_of,
    read,
)

_HANDLES: Final = {Provider: Answer.PROVIDER, Lazy: Answer.LAZY}
_MANY: Final = {
    Collected.LIST: Answer.LIST,
    Collected.TUPLE: Answer.TUPLE,
    Collected.DICT: Answer.DICT,
}


@dataclass(frozen=True, slots=True)
class View:
    """Where a parameter is looked at from.

    Attributes:
        point: The entry whose adapter reads what the container does not; None in constructors.
        automatic: Whether concrete classes bind themselves: handlers put directly on the app,
            and what was bound that way.
        marked: Whether only marked parameters are the container's.
        explicit: Whether the ask is a ``Depend`` written on the handler itself.
    """

    module: Module
    asker: Callable[..., object]
    point: EntryPoint | None = None
    before: bool = False
    automatic: bool = False
    marked: bool = False
    using: Mapping[str, object] = field(default_factory=dict)


class Builder:
    """Grows a graph. What it cannot fill it notes as a fault on the argument."""

    def __init__(self, registry: Registry, other: "Builder | None" = None) -> None:
        """Start empty, or from what another builder has, which stays as it is."""
        self.registry = registry
        self.graph = Graph() if other is None else other.graph.copy()
        self.slots: dict[Binding, int] = {} if other is None else dict(other.slots)
        self.made: dict[object, Binding] = {} if other is None else dict(other.made)
        self.names = registry_names(registry) if other is None else other.names
        self._connected: set[type] = set()
        self._pending: deque[int] = deque()
        self._late: list[tuple[int | None, int, Argument]] = []
        self.first_new = len(self.graph.nodes)

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
        if whole:
            for binding in self.registry.bindings:
                self.slot(binding, None)
            for module in self.registry.modules:
                for cls, _ in module.controller_classes:
                    self.owner(module, cls, None)
        self.settle()

    def settle(self) -> None:
        """Wire what is pending, then keep controllers where that is right."""
        while self._pending:
            self._wire(self.graph.nodes[self._pending.popleft()])
        self._retry()
        self.graph.promote(self.new)

    def entry(self, point: EntryPoint) -> None:
        """Wire one entry point."""
        module = point.module or self.registry.root
        before = tuple(self._guard(point, module, item) for item in point.before)
        view = View(module, point.target, point, automatic=point.module is None)
        owner = None
        if point.owner is not None:
            asked = Asked(Step("asked by", display(point.target), place_of(point.target)), None,
                          point.label)  # fmt: skip
            owner = self.owner(module, point.owner, asked, automatic=point.module is None)
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
        wanted = tuple(item for item in signature.parameters if item.name not in given)
        arguments = self._arguments(replace_parameters(signature, wanted), view, None)
        awaits = kind_of(function) is SourceKind.COROUTINE
        return Call(function, owner, arguments, awaits)

    def owner(
        self, module: Module, cls: type, asked: Asked | None, *, automatic: bool = False
    ) -> int:
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

    def slot(self, binding: Binding, asked: Asked | None, module: Module | None = None) -> int:
        """Return the slot of a binding, adding its node when it is new."""
        known = self.slots.get(binding)
        if known is not None:
            return known
        home = self.registry.home.get(binding) or module or self.registry.root
        slot = len(self.graph.nodes)
        kind = kind_of(binding.source) if _has_source(binding) else None  # type: ignore[arg-type]
        lifetime = binding.scope or Scope.TRANSIENT
        if binding.answer is Answer.VALUE:
            lifetime = Scope.SINGLETON
        self.graph.nodes.append(Node(slot, binding, home, kind, lifetime, asked_by=asked))
        self.slots[binding] = slot
        self._pending.append(slot)
        return slot

    def _made(self, name: object, make: Callable[[], Binding]) -> Binding:
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def _guard(self, point: EntryPoint, module: Module, item: object) -> Call:
        automatic = point.module is None
        if isinstance(item, Marker):
            parameter = Parameter(
                display(item.source), MISSING, item, Kind.POSITIONAL_ONLY, 0,
                place_of(item.source) if callable(item.source) else place_of(point.target),
            )  # fmt: skip
            view = View(module, point.target, point, before=True, automatic=automatic)
            return Call(None, None, (self._argument(parameter, view, None, by_name=False),), False)
        if isinstance(item, type):
            check = getattr(item, "check", None) or item.__call__
            step = Step("asked by", f"guard {display(item)}", place_of(item))
            owner = self.owner(module, item, Asked(step, None, point.label), automatic=automatic)
            view = View(module, check, point, before=True, automatic=automatic)
            return self.call(check, view, owner=owner)
        function = getattr(item, "check", item)
        view = View(module, function, point, before=True, automatic=automatic)
        return self.call(function, view)

    def _wire(self, node: Node) -> None:
        binding = node.binding
        match binding.answer:
            case Answer.ALIAS:
                key = binding.source
                assert isinstance(key, Key)
                parameter = _nameless(str(key), binding)
                fill = self._filled(key, parameter, View(node.module, self.ask), node.slot)
                node.arguments = (fill,)
            case Answer.SOURCE if binding.origin is Origin.FUNCTION:
                self._wire_function(node)
            case Answer.SOURCE if _readable(binding.source):
                self._wire_source(node)
            case Answer.LIST | Answer.TUPLE | Answer.DICT:
                asked = Asked(Step("asked by", str(binding.key)), node.slot)
                node.arguments = tuple(
                    Argument(_nameless(str(member.key), member), by_name=False,
                             slot=self.slot(member, asked), asked=member.key)
                    for member in binding.members
                )  # fmt: skip
            case Answer.PROVIDER | Answer.LAZY:
                inner = binding.source
                assert isinstance(inner, Key)
                parameter = _nameless(str(inner), binding)
                view = View(node.module, self.ask)
                node.arguments = (self._filled(inner, parameter, view, node.slot),)

    def _wire_source(self, node: Node) -> None:
        binding = node.binding
        source = binding.source
        assert callable(source)
        signature = read(source, self.names)
        node.attributes = signature.attributes
        automatic = binding.origin is Origin.AUTOMATIC or (
            binding.origin is Origin.CONTROLLER and node.module is self.registry.root
        )
        view = View(node.module, source, automatic=automatic, using=binding.using)
        node.arguments = self._arguments(signature, view, node.slot)

    def _wire_function(self, node: Node) -> None:
        source = node.binding.source
        assert callable(source)
        point = node.point
        view = View(
            node.module, source, point,
            before=node.before, automatic=point is not None and point.module is None,
            marked=True,
        )  # fmt: skip
        node.arguments = self._arguments(read(source, self.names), view, node.slot)

    def _arguments(
        self, signature: Signature, view: View, slot: int | None
    ) -> tuple[Argument, ...]:
        found: list[Argument] = []
        by_name = False
        for parameter in signature.parameters:
            named = by_name or parameter.kind is Kind.KEYWORD_ONLY
            argument = self._argument(parameter, view, slot, by_name=named)
            if argument is None:
                if parameter.kind is not Kind.POSITIONAL_ONLY:
                    by_name = True
                    continue
                argument = Argument(parameter, by_name=False, value=parameter.default)
            found.append(argument)
        return tuple(found)

    def _argument(
        self, parameter: Parameter, view: View, slot: int | None, *, by_name: bool
    ) -> Argument | None:
        """Return what fills a parameter; None when its own default does."""
        if parameter.name in view.using:
            value = view.using[parameter.name]
            if isinstance(value, Key):
                return self._filled(key_of(value), parameter, view, slot, by_name=by_name)
            return Argument(parameter, by_name, value=value)
        if parameter.marker is not None:
            return self._marked(parameter, parameter.marker, view, slot, by_name=by_name)
        if view.point is not None or view.marked:
            return self._read(parameter, view, slot, by_name=by_name)
        return self._hinted(parameter, view, slot, by_name=by_name)

    def _read(
        self, parameter: Parameter, view: View, slot: int | None, *, by_name: bool
    ) -> Argument | None:
        annotation = parameter.annotation
        if isinstance(annotation, type) and Key(annotation) in self.registry.built_in:
            return self._filled(Key(annotation), parameter, view, slot, by_name=by_name)
        fault = None
        if view.point is not None:
            try:
                getter = view.point.reads.getter(view.asker, parameter, before=view.before)
            except Unreadable as refusal:
                fault = Fault(UnreadableParameter, says=refusal.says, fix=refusal.fix)
                return Argument(parameter, by_name, fault=fault)
            if getter is not None:
                return Argument(parameter, by_name, getter=getter)
        if parameter.has_default:
            return None
        hint = "TheService" if annotation is MISSING else _hint_text(annotation)
        fault = Fault(
            UnreadableParameter,
            says=f"nothing fills {parameter.where.text}",
            fix=f"{parameter.name}: {hint} = Depend()",
        )
        return Argument(parameter, by_name, fault=fault)

    def _marked(
        self,
        parameter: Parameter,
        marker: Marker,
        view: View,
        slot: int | None,
        *,
        by_name: bool,
    ) -> Argument | None:
        source = marker.source
        if source is MISSING:
            if parameter.annotation is MISSING:
                fault = Fault(
                    UnreadableParameter,
                    says=f"{parameter.where.text} is Depend() without an annotation",
                    fix=f"{parameter.name}: TheService = Depend(), or Depend(TheService)",
                )
                return Argument(parameter, by_name, fault=fault)
            return self._hinted(parameter, view, slot, by_name=by_name)
        if not is_form(source) and not isinstance(source, Key):
            if not callable(source):
                fault = Fault(
                    UnreadableParameter,
                    says=f"{parameter.where.text} is Depend({source!r}), which is no type, "
                    "Key or function",
                    fix=f"{parameter.name}=Depend(TheService)",
                )
                return Argument(parameter, by_name, fault=fault)
            inner = self._function(source, parameter, view, slot)
            return Argument(parameter, by_name, slot=inner)
        bare, optional = optional_of(source)
        key = key_of(bare)
        if fault := _disagreement(parameter, key):
            return Argument(parameter, by_name, fault=fault)
        return self._filled(key, parameter, view, slot, by_name=by_name, optional=optional)

    def _hinted(
        self, parameter: Parameter, view: View, slot: int | None, *, by_name: bool
    ) -> Argument | None:
        form, optional = optional_of(parameter.annotation)
        says = fix = ""
        members = union_members(form)
        if form is MISSING:
            says = f"{parameter.where.text} has no annotation"
            fix = f"{parameter.name}: TheType"
        elif isinstance(form, Unresolved):
            says = f"{parameter.where.text} is annotated {form.text!r}, and no {form.unknown} " \
                   "is known where it stands"  # fmt: skip
            fix = f"import {form.unknown} at run time, outside `if TYPE_CHECKING:`"
        elif members:
            names = ", ".join(map(show, members))
            says = f"{parameter.where.text} may be any of {names}"
            fix = f"ask for one of {names}, or for a port they share"
        elif not is_form(form):
            says = f"{parameter.where.text} is annotated {form!r}, which is no type"
            fix = f"{parameter.name}: TheType"
        if says:
            if parameter.has_default:
                return None
            fault = Fault(UnreadableParameter, says=says, fix=fix)
            return Argument(parameter, by_name, fault=fault)
        key = key_of(form)
        return self._filled(key, parameter, view, slot, by_name=by_name, optional=optional)

    def _filled(
        self,
        key: AnyKey,
        parameter: Parameter,
        view: View,
        slot: int | None,
        *,
        by_name: bool = False,
        optional: bool = False,
    ) -> Argument:
        """Fill a parameter by key: binding, collection or handle, default, None, fault."""
        asked = self._asked(parameter, view, slot)
        inner = self._lookup(key, view, asked)
        if isinstance(inner, int):
            return Argument(parameter, by_name, slot=inner, asked=key)
        if not inner.bindings and parameter.has_default:
            return Argument(parameter, by_name, value=parameter.default, asked=key)
        if not inner.bindings and optional:
            return Argument(parameter, by_name, value=None, asked=key)
        fault = Fault(MissingBinding, key, inner)
        if not inner.bindings and not key.is_named and is_value_type(key.form):
            fault = Fault(
                UnreadableParameter, key,
                says=f"{parameter.where.text} asks for a bare {key}, which says nothing as a key",
                fix=f".using({parameter.name}=...), or Annotated[{key}, Key('...')]",
            )  # fmt: skip
        return Argument(parameter, by_name, fault=fault, asked=key)

    def _lookup(self, key: AnyKey, view: View, asked: Asked | None) -> int | Found:
        module = view.module
        found = self.registry.find(module, key)
        if found.one is not None:
            return self.slot(found.one, asked)
        if found.bindings:
            return found
        if module is self.registry.root and (made := self.made.get(("auto", key))) is not None:
            return self.slot(made, asked, module)
        if (handle := _HANDLES.get(get_origin(key.form) or type)) is not None:
            inner: AnyKey = Key(get_args(key.form)[0], key.name)
            binding = self._made(
                (module, key), lambda: Binding(key, handle, inner, origin=Origin.BUILT_IN)
            )
            return self.slot(binding, asked, module)
        if (how := collected(key)) is not None:
            return self.slot(self._collection(module, key, *how), asked, module)
        if view.automatic and _binds_itself(key, view):
            cls = key.form
            binding = self._made(
                ("auto", key),
                lambda: Binding(key, Answer.SOURCE, cls, Scope.REQUEST,
                                where=place_of(cls), origin=Origin.AUTOMATIC),
            )  # fmt: skip
            return self.slot(binding, asked, self.registry.root)
        return found

    def _collection(self, module: Module, key: AnyKey, how: Collected, inner: AnyKey) -> Binding:
        if how is Collected.DICT:
            members = tuple(self.registry.named(module, inner).values())
        else:
            members = self.registry.added(module, inner)
        return self._made(
            (module, key),
            lambda: Binding(key, _MANY[how], members=members, origin=Origin.BUILT_IN),
        )

    def _function(
        self, source: Callable[..., object], parameter: Parameter, view: View, slot: int | None
    ) -> int:
        point = view.point
        name = (point, source)
        scope = Scope.REQUEST if point is None else point.scope
        binding = self._made(
            name,
            lambda: Binding(
                Key(object, display(source)), Answer.SOURCE, source, scope,
                where=place_of(source), origin=Origin.FUNCTION,
            ),
        )  # fmt: skip
        known = binding in self.slots
        inner = self.slot(binding, self._asked(parameter, view, slot), view.module)
        if not known:
            self.graph.nodes[inner].point = point
            self.graph.nodes[inner].before = view.before
        return inner

    def _asked(self, parameter: Parameter, view: View, slot: int | None) -> Asked:
        label = "" if slot is not None or view.point is None else view.point.label
        return Asked(Step("asked by", parameter.where.text, parameter.where), slot, label)

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


def registry_names(registry: Registry) -> dict[str, object]:
    """Return the classes that are bound, by name, where the name says one thing only."""
    names: dict[str, object] = {}
    twice: set[str] = set()
    for key in registry.keys:
        if isinstance(key.form, type):
            name = key.form.__name__
            if names.setdefault(name, key.form) is not key.form:
                twice.add(name)
    return {name: form for name, form in names.items() if name not in twice}


def replace_parameters(signature: Signature, parameters: tuple[Parameter, ...]) -> Signature:
    """Return ``signature`` with other parameters."""
    return replace(signature, parameters=parameters)


def _has_source(binding: Binding) -> bool:
    return binding.answer is Answer.SOURCE and callable(binding.source)


def _readable(source: object) -> bool:
    return callable(source) and not makes_context_manager(source)


def _nameless(text: str, binding: Binding) -> Parameter:
    where = replace(binding.where, text=text)
    return Parameter(text, MISSING, MISSING, Kind.POSITIONAL_ONLY, 0, where)


def _hint_text(annotation: object) -> str:
    if isinstance(annotation, Unresolved):
        return annotation.text
    return show(annotation) if is_form(annotation) else "TheService"


def _disagreement(parameter: Parameter, key: AnyKey) -> Fault | None:
    annotation = parameter.annotation
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    annotation, _ = optional_of(annotation)
    form = key.form
    if not isinstance(annotation, type) or not isinstance(form, type) or annotation is object:
        return None
    if getattr(annotation, "_is_protocol", False) or get_origin(annotation) or get_origin(form):
        return None
    if issubclass(form, annotation):
        return None
    return Fault(
        UnreadableParameter, key,
        says=f"{parameter.where.text} is annotated {show(annotation)} and marked Depend({key})",
        fix=f"{parameter.name}: {key} = Depend()",
    )  # fmt: skip


def _binds_itself(key: AnyKey, view: View) -> bool:
    """Return whether a class that nothing binds may be made for a handler on the app."""
    cls = key.form
    if not isinstance(cls, type) or key.is_named or get_origin(cls) is not None:
        return False
    top = cls.__module__.partition(".")[0]
    if top == "nexios" or (top in sys.stdlib_module_names and top != "__main__"):
        return False
    if inspect.isabstract(cls) or getattr(cls, "_is_protocol", False):
        return False
    if view.point is not None:
        return True
    asker = view.asker
    while isinstance(asker, functools.partial):
        asker = asker.func
    module = getattr(asker, "__module__", "")
    if module.partition(".")[0] == top:
        return True
    return _folder(module) == _folder(cls.__module__) is not None


def _folder(module: str) -> str | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return file.rpartition("/")[0] if isinstance(file, str) else None

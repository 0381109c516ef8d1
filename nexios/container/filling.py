"""Decides what fills each parameter: value, marker, binding, collection, handle, default."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, get_args, get_origin

from nexios.container.asking import (
    HANDLES,
    View,
    binds_itself,
    disagreement,
    has_source,
    hint_text,
    registry_names,
    unreadable,
)
from nexios.container.binding import Answer, Binding, Origin
from nexios.container.depend import Marker
from nexios.container.entry import Unreadable
from nexios.container.errors import MissingBinding, UnreadableParameter
from nexios.container.fixes import as_written, said_line
from nexios.container.graph import Argument, Asked, Fault, Graph, Node
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
    printable,
)
from nexios.container.module import Module
from nexios.container.places import Step
from nexios.container.registry import Found, Registry
from nexios.container.scope import Scope
from nexios.container.signature import (
    Kind,
    Parameter,
    display,
    kind_of,
    place_of,
)
from nexios.container.typevars import listed, variables

_MANY: Final = {
    Collected.LIST: Answer.LIST,
    Collected.TUPLE: Answer.TUPLE,
    Collected.DICT: Answer.DICT,
}


class Filler:
    """Knows the nodes there are, adds those that are asked for, and fills parameters.

    What cannot be filled is noted as a fault on the argument; the checks say it.
    """

    def __init__(self, registry: Registry, other: "Filler | None" = None) -> None:
        """Start empty, or from what another builder has, which stays as it is."""
        self.registry = registry
        self.graph: Graph = Graph() if other is None else other.graph.copy()
        self.slots: dict[Binding, int] = {} if other is None else dict(other.slots)
        self.made: dict[object, Binding] = {} if other is None else dict(other.made)
        self.names: dict[str, object] = registry_names(registry) if other is None else other.names
        self._connected: set[type] = set()
        # Open bindings that ask for further forms of themselves; what is below stays unwired.
        self.endless: set[Binding] = set()
        self._pending: deque[int] = deque()
        self.first_new = len(self.graph.nodes)

    def slot(self, binding: Binding, asked: Asked | None, module: Module | None = None) -> int:
        """Return the slot of a binding, adding its node when it is new."""
        known = self.slots.get(binding)
        if known is not None:
            if known >= self.first_new and asked is not None and asked.above != known:
                # Looked at before anybody asked: now somebody does.
                node = self.graph.nodes[known]
                node.asked_by = node.asked_by or asked
            return known
        home = self.registry.home.get(binding) or module or self.registry.root
        slot = len(self.graph.nodes)
        kind = kind_of(binding.function) if has_source(binding) else None
        lifetime = binding.scope or Scope.TRANSIENT
        if binding.answer is Answer.VALUE:
            lifetime = Scope.SINGLETON
        self.graph.nodes.append(
            Node(slot, binding, home, kind, lifetime, asked_by=asked, watch=self.registry.watch)
        )
        self.slots[binding] = slot
        self._pending.append(slot)
        return slot

    def _made(self, name: object, make: Callable[[], Binding]) -> Binding:
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def _arguments(
        self,
        parameters: Sequence[Parameter],
        view: View,
        slot: int | None,
        given: frozenset[str] = frozenset(),
    ) -> tuple[Argument, ...]:
        found: list[Argument] = []
        by_name = False
        for parameter in parameters:
            if parameter.name in given:
                by_name = True
                continue
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
        hint = "TheService" if annotation is MISSING else hint_text(annotation)
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
                    says=f"{parameter.where.text} is Depend({_value_text(source)}), which is no "
                    "type, Key or function",
                    fix=f"{parameter.name}=Depend({_meant(source)})",
                )
                return Argument(parameter, by_name, fault=fault)
            if contradiction := disagreement(parameter, source):
                return Argument(parameter, by_name, fault=contradiction)
            inner = self._function(source, parameter, view, slot)
            return Argument(parameter, by_name, slot=inner)
        bare, optional = optional_of(source)
        key = key_of(bare)
        if contradiction := disagreement(parameter, key):
            return Argument(parameter, by_name, fault=contradiction)
        return self._filled(key, parameter, view, slot, by_name=by_name, optional=optional)

    def _hinted(
        self, parameter: Parameter, view: View, slot: int | None, *, by_name: bool
    ) -> Argument | None:
        form, optional = optional_of(parameter.annotation)
        if fault := unreadable(parameter, form):
            return None if parameter.has_default else Argument(parameter, by_name, fault=fault)
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
        if said := variables(key.form):
            return self._unsaid(key, said, parameter, slot, by_name=by_name, optional=optional)
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
                fix=self._named_value(key, parameter.name, slot),
            )  # fmt: skip
        return Argument(parameter, by_name, fault=fault, asked=key)

    def _unsaid(
        self, key: AnyKey, said: tuple[object, ...], parameter: Parameter, slot: int | None,
        *, by_name: bool, optional: bool,
    ) -> Argument:  # fmt: skip
        """Fill a parameter whose type has variables that nothing says."""
        if parameter.has_default:
            return Argument(parameter, by_name, value=parameter.default, asked=key)
        if optional:
            return Argument(parameter, by_name, value=None, asked=key)
        node = None if slot is None else self.graph.nodes[slot]
        fault = Fault(
            UnreadableParameter, key,
            says=f"{parameter.where.text} asks for {key}, and nothing says what {listed(said)} is",
            fix=f"{parameter.name}: a type without {listed(said)}" if node is None
            else said_line(self.registry, node.module, node.binding, said),
        )  # fmt: skip
        return Argument(parameter, by_name, fault=fault, asked=key)

    def _named_value(self, key: AnyKey, name: str, slot: int | None) -> str:
        """Return the line that gives a parameter its value."""
        if slot is None or (node := self.graph.nodes[slot]).binding.origin is Origin.FUNCTION:
            return f"{name}: Annotated[{key}, Key({name!r})], with a module that binds the Key"
        return as_written(self.registry, node.module, node.binding, using=name)

    def _lookup(self, key: AnyKey, view: View, asked: Asked | None) -> int | Found:
        module = view.module
        if view.inner is not None and key in view.wrapped:
            return self.slot(view.inner, asked)
        found = self.registry.find(module, key)
        if found.one is not None:
            return self.slot(found.one, asked)
        if found.bindings:
            return found
        if module is self.registry.root and (made := self.made.get(("auto", key))) is not None:
            return self.slot(made, asked, module)
        if (handle := HANDLES.get(_origin(key.form))) is not None:
            inner: AnyKey = Key(get_args(key.form)[0], key.name)
            wraps = view.inner if inner in view.wrapped else None
            binding = self._made(
                (module, key, wraps),
                lambda: Binding(key, handle, inner, origin=Origin.BUILT_IN, inner=wraps),
            )
            return self.slot(binding, asked, module)
        if (how := collected(key)) is not None:
            return self.slot(self._collection(module, key, *how), asked, module)
        if view.automatic and not found.private and binds_itself(key, view):
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


def _value_text(source: object) -> str:
    plain = isinstance(source, str | int | float)
    return printable(f"{source!r:.40}") if plain else f"<{type(source).__name__} object>"


def _meant(source: object) -> str:
    if isinstance(source, str):
        return source if source.isidentifier() else "TheService"
    return "TheService" if is_value_type(type(source)) else type(source).__name__


def _origin(form: object) -> Any:
    return get_origin(form)

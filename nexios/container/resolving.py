"""Answers what running scopes ask: by key, by slot, or by calling something."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol, cast

from nexios.container.asking import View
from nexios.container.assembly import Assembly
from nexios.container.checks import problem_of_ask, problems_of_call, refuse
from nexios.container.closing import Shield
from nexios.container.entered import entered
from nexios.container.errors import (
    ContainerNotRunning,
    MisplacedArgument,
    UnusableSource,
    WrongReplacement,
)
from nexios.container.graph import Call
from nexios.container.interpreter import NOBODY, Interpreter
from nexios.container.keys import MISSING, AnyKey, Key, key_of, optional_of, show
from nexios.container.ports import misfit_of_value
from nexios.container.registry import Found
from nexios.container.scope import Scope, ScopeContext
from nexios.container.signature import Signature, display, kind_of, read
from nexios.container.typevars import class_behind
from nexios.container.wiring import Builder

_REMEMBERED_CALLS = 1_024


class Owner(Protocol):
    """What holds the assembly, once it is built."""

    @property
    def assembly(self) -> Assembly:
        """The built container."""


class Resolution:
    """The container, as its scopes see it."""

    def __init__(self, owner: Owner, shield: Shield) -> None:
        """Take the container and what shields its clean-ups."""
        self.shield = shield
        self.makers: dict[object, Callable[[ScopeContext], object]] = {}
        self._owner = owner
        self._asks: dict[AnyKey, int] = {}
        self._absent: dict[AnyKey, Found] = {}
        self._absent_from: Builder | None = None
        self._calls: dict[tuple[object, frozenset[str]], tuple[Call, Signature]] = {}

    @property
    def _interpreter(self) -> Interpreter:
        return self._owner.assembly.interpreter

    def enter(
        self, parent: ScopeContext, kind: Scope, values: Mapping[object, object] | None
    ) -> ScopeContext:
        """Return a new scope below ``parent``.

        Raises:
            ContainerNotRunning: Before the start or after the stop.
            WrongReplacement: A given value does not fit its key.
        """
        assembly = self._owner.assembly
        if parent.closed and parent.kind is Scope.SINGLETON:
            raise ContainerNotRunning(f"a {kind.value} scope")
        parent.refuse_if_closed(f"a {kind.value} scope")
        if kind not in (Scope.REQUEST, Scope.CONNECTION):
            raise MisplacedArgument(f"enter() opens REQUEST or CONNECTION, not {kind.value}")
        assembly.check_loop()
        given: dict[AnyKey, object] = {}
        for form, value in (values or {}).items():
            key = key_of(form)
            if says := misfit_of_value(key, value):
                raise WrongReplacement(str(key), says)
            given[key] = value
        return assembly.child(parent, kind, given or None)

    async def get(self, scope: ScopeContext, form: object) -> object:
        """Return the object for ``form``, awaiting where its graph does."""
        slot = self._slot(scope, form)
        if slot is None:
            return None
        self._remember(form, slot)
        return await self._interpreter.fetch(scope, slot)

    def get_now(self, scope: ScopeContext, form: object) -> object:
        """Return the object for ``form``, or refuse where its graph awaits."""
        slot = self._slot(scope, form)
        if slot is None:
            return None
        self._remember(form, slot)
        return self._interpreter.fetch_now(scope, slot)

    async def fetch(self, scope: ScopeContext, slot: int) -> object:
        """Return the object of a slot."""
        return await self._interpreter.fetch(scope, slot)

    def fetch_now(self, scope: ScopeContext, slot: int) -> object:
        """Return the object of a slot, or refuse where its graph awaits."""
        return self._interpreter.fetch_now(scope, slot)

    def _remember(self, form: object, slot: int) -> None:
        """Let scopes make what was asked on their own, next time."""
        # Of now: an override that begins in another thread puts other makers in their place.
        makers = self.makers
        make = self._owner.assembly.plans.maker(slot)
        if make is None:
            return
        if len(makers) >= _REMEMBERED_CALLS:
            makers.clear()
        with suppress(TypeError):  # a form without a hash, such as Annotated with a list in it
            makers[form] = make

    def tags(self, slot: int) -> frozenset[int]:
        """Return the overrides under which a root object is made; scopes below carry none."""
        return self._owner.assembly.overrides.tags(slot)

    def keep(self, slot: int, made: object, tags: frozenset[int]) -> None:
        """Keep a root object whose making began under other overrides than those of now."""
        self._owner.assembly.overrides.keep(slot, made, tags)

    async def call(
        self, scope: ScopeContext, target: Callable[..., object], given: Mapping[str, object]
    ) -> object:
        """Call ``target``, or make it when it is a class, filling what is not given."""
        _refuse_closed(scope, display(target))
        call, signature = self._wired(target, frozenset(given))
        _refuse_misplaced(target, signature, given)
        interpreter = self._interpreter
        prepared = await interpreter.fill(scope, call.slots, NOBODY)
        positional, named = interpreter.arguments(call.arguments, (), scope, prepared)
        # Of ``SqlRepository[User]`` the class is called, as in a binding.
        target = class_behind(target) or target
        if signature.attributes:
            made = target()
            for name, value in {**named, **given}.items():
                setattr(made, name, value)
            return made
        result = target(*positional, **named, **given)
        return await cast("Awaitable[object]", result) if call.awaits else result

    def handle(self, form: object) -> Callable[[], object]:
        """Return a function that asks the scope it is called in, or the root outside of one.

        Raises:
            MissingBinding: Nothing provides it.
        """
        key = key_of(form)
        slot = self.look(key)
        if not isinstance(slot, int):
            raise problem_of_ask(self._owner.assembly.builder, key, slot)

        def ask() -> object:
            scope = entered(self)
            here = scope if isinstance(scope, ScopeContext) else self._owner.assembly.root
            return self.fetch_now(here, slot)

        return ask

    def _slot(self, scope: ScopeContext, form: object) -> int | None:
        bare, optional = optional_of(form)
        key = key_of(bare)
        _refuse_closed(scope, str(key))
        known = self._asks.get(key)
        if known is not None:
            return known
        found = self.look(key)
        if isinstance(found, int):
            return found
        if optional and not found.bindings:
            return None
        raise problem_of_ask(self._owner.assembly.builder, key, found)

    def look(self, key: AnyKey) -> int | Found:
        """Return the slot of a key, wired now when it is new; else what was found instead."""
        assembly = self._owner.assembly
        with assembly.growing:
            if self._absent_from is not assembly.builder:
                # The graph has grown: a class may have bound itself since.
                self._absent.clear()
                self._absent_from = assembly.builder
            if key in self._absent:
                return self._absent[key]
            draft = assembly.draft()
            found = draft.ask(assembly.registry.root, key)
            if isinstance(found, int):
                if draft.new:
                    assembly.grow(draft)
                self._asks[key] = found
            else:
                if len(self._absent) >= _REMEMBERED_CALLS:
                    self._absent.clear()
                self._absent[key] = found
            return found

    def _wired(
        self, target: Callable[..., object], given: frozenset[str]
    ) -> tuple[Call, Signature]:
        name = (target, given)
        try:
            known = self._calls.get(name)
        except TypeError:  # a callable object without a hash
            return self._wire(target, given)
        if known is None:
            _refuse_abstract(target)
            known = self._wire(target, given)
            if len(self._calls) >= _REMEMBERED_CALLS:
                self._calls.clear()
            self._calls[name] = known
        return known

    def _wire(
        self, target: Callable[..., object], given: frozenset[str]
    ) -> tuple[Call, Signature]:
        assembly = self._owner.assembly
        with assembly.growing:
            draft = assembly.draft()
            view = View(assembly.registry.root, target)
            call = draft.call(target, view, given=given)
            draft.settle()
            refuse(problems_of_call(draft, call))
            if draft.new:
                assembly.grow(draft)
        return call, read(target, assembly.builder.names)


def _refuse_closed(scope: ScopeContext, asked: str) -> None:
    above: ScopeContext | None = scope
    while above is not None:
        if above.closed:
            above.refuse_if_closed(asked)
        above = above.parent


def _refuse_abstract(target: Callable[..., object]) -> None:
    cls = class_behind(target)
    if cls is not None and (inspect.isabstract(cls) or getattr(cls, "_is_protocol", False)):
        raise UnusableSource(
            f"{show(target)} is abstract, so it cannot be made", fix="call a class that is not"
        )
    if cls is None and kind_of(target).exits:
        raise UnusableSource(
            f"{display(target)}() is a {kind_of(target).value}, so it cannot be called",
            fix="bind it as a source, and ask for what it yields",
        )


def _refuse_misplaced(
    target: Callable[..., object], signature: Signature, given: Mapping[str, object]
) -> None:
    known = {parameter.name: parameter for parameter in signature.parameters}
    for name, value in given.items():
        parameter = known.get(name)
        if parameter is None:
            if signature.open_keywords:
                continue
            raise MisplacedArgument(f"{display(target)}() takes no {name}")
        form, optional = optional_of(parameter.annotation)
        if form is MISSING or (optional and value is None) or not isinstance(form, type):
            continue
        if says := misfit_of_value(Key(form), value):
            raise MisplacedArgument(f"{display(target)}({name}): {says}")

"""Random graphs of sources that log what happens to them, and the entries that ask for them."""

import inspect
import types
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from hypothesis import strategies as st

from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy, Provider
from nexios.container.entry import EntryPoint, Getter
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from nexios.container.signature import Parameter

CALM_FORMS = ("class", "attributes", "function", "generator")
FORMS = (*CALM_FORMS, "coroutine", "async generator")
LIFETIMES = (Scope.SINGLETON, Scope.CONNECTION, Scope.REQUEST, Scope.REQUEST, Scope.TRANSIENT)
T = TypeVar("T")
WAYS_INSIDE = ("plain", "plain", "lazy", "provider")
WAYS = ("plain", "plain", "plain", "named", "list", "tuple", "dict", "alias", "lazy", "provider")


@dataclass(frozen=True)
class Source:
    """One source: how long its object lives, how it is made, what it asks for and how it fails.

    An open one makes every form of its key, one of which is asked for. Around it may be others
    that decorate it: their first ask is for what they wrap.
    """

    number: int
    lifetime: Scope
    lazy: bool
    form: str
    asks: tuple[tuple[int, str], ...]
    fails: str
    is_open: bool = False
    around: "tuple[Source, ...]" = ()
    name: str = ""


@dataclass(frozen=True)
class Entry:
    """One entry: where it stands, what it and its guard ask for, whether its handler fails."""

    place: str
    asks: tuple[tuple[int, str], ...]
    guard: tuple[tuple[int, str], ...] | None
    function: tuple[tuple[int, str], ...] | None
    awaits: bool
    fails: bool


@dataclass
class Journal:
    """What happened, in order; objects are known by number, in the order they were logged."""

    lines: list[str] = field(default_factory=list)
    _numbers: dict[int, str] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)

    def name(self, item: object) -> str:
        """Return a name for an object that is the same whichever way it was made."""
        if isinstance(item, list | tuple):
            return f"{type(item).__name__}[{', '.join(map(self.name, item))}]"
        if isinstance(item, dict):
            return f"dict[{', '.join(f'{key}: {self.name(one)}' for key, one in item.items())}]"
        if isinstance(item, Provider | Lazy):
            return type(item).__name__
        if id(item) not in self._numbers:
            self._numbers[id(item)] = f"{type(item).__name__}#{len(self._numbers)}"
            self._kept.append(item)
        return self._numbers[id(item)]

    def add(self, what: str, *items: object) -> None:
        """Log a line."""
        self.lines.append(f"{what} {' '.join(map(self.name, items))}".strip())


class Graph:
    """A module of random sources, and entries into it."""

    def __init__(self, sources: list[Source], entries: list[Entry]) -> None:
        self.journal = Journal()
        self.sources, self.wanted = sources, entries
        self.module = Module("random")
        self.classes: list[Any] = [
            types.new_class(f"K{item.number}", (Generic[T],) if item.is_open else ())
            for item in sources
        ]
        self.keys: list[Any] = [
            cls[int] if item.is_open else cls
            for cls, item in zip(self.classes, sources, strict=True)
        ]
        for source in sources:
            self._bind(source)
        self.entries = [self._entry(item, number) for number, item in enumerate(entries)]

    def container(self, *, compiled: bool) -> Container:
        """Return a container of it, with an empty journal."""
        self.journal = Journal()
        return Container(self.module, entries=self.entries, compiled=compiled, close_timeout_s=60)

    def _bind(self, source: Source) -> None:
        cls = self.classes[source.number]
        key: Any = cls[T] if source.is_open else cls
        made = self._source(source, key)
        lazy = source.lazy and source.lifetime is Scope.SINGLETON
        self.module.bind(key, scope=source.lifetime, lazy=lazy).to(made)
        self.module.bind(Key(key, "named"), scope=source.lifetime, lazy=lazy).to(made)
        self.module.bind(Key(key, "alias")).alias(key)
        for _ in range(2):
            self.module.add(Key(key, "many"), scope=source.lifetime, lazy=lazy).to(made)
        for decorator in source.around:
            wrapping = self._source(decorator, key)
            for wrapped in (key, Key(key, "many"), Key(key, "alias")):
                self.module.decorate(wrapped).with_(wrapping)

    def _annotation(self, number: int, way: str) -> Any:
        key: Any = self.keys[number]
        return {
            "plain": key,
            "named": Key(key, "named"),
            "alias": Key(key, "alias"),
            "list": Key(list[key], "many"),
            "tuple": Key(tuple[key, ...], "many"),
            "dict": dict[str, key],
            "lazy": Lazy[key],
            "provider": Provider[key],
        }[way]

    def _parameters(self, asks: tuple[tuple[int, str], ...], *, marked: bool) -> list[Any]:
        return [
            inspect.Parameter(
                f"p{index}",
                inspect.Parameter.KEYWORD_ONLY if index > 2 else
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                annotation=Any if marked else self._hint(*ask),
                default=Depend(self._annotation(*ask)) if marked else inspect.Parameter.empty,
            )
            for index, ask in enumerate(asks)
        ]  # fmt: skip

    def _hint(self, number: int, way: str) -> Any:
        asked = self._annotation(number, way)
        if isinstance(asked, Key):
            form: Any = asked.form
            return Annotated[form, Key(asked.name)]
        return asked

    def _source(self, source: Source, key: Any) -> Any:
        graph, name, cls = self, source.name or str(source.number), self.classes[source.number]

        def made(*given: object, **named: object) -> Any:
            graph.journal.add(f"make {name} of", *given, *named.values())
            if source.fails == "making":
                raise OSError(f"{name} cannot be made")
            item = cls()
            item.given = [*given, *named.values()]
            return item

        def ended(item: object, error: BaseException | None) -> None:
            graph.journal.add(f"close {name} after {type(error).__name__}", item)
            if source.fails == "closing":
                raise OSError(f"{name} cannot be closed")

        def generator(*given: object, **named: object) -> Iterator[Any]:
            item = made(*given, **named)
            seen = None
            try:
                yield item
            except BaseException as error:
                seen = error
                raise
            finally:
                ended(item, seen)

        async def async_generator(*given: object, **named: object) -> AsyncIterator[Any]:
            item = made(*given, **named)
            seen = None
            try:
                yield item
            except BaseException as error:
                seen = error
                raise
            finally:
                ended(item, seen)

        async def coroutine(*given: object, **named: object) -> Any:
            return made(*given, **named)

        parameters = self._parameters(source.asks, marked=False)
        if source.form in ("class", "attributes"):
            return self._class(source, key, made, parameters)
        function: Any = {
            "function": made, "coroutine": coroutine, "generator": generator,
            "async generator": async_generator,
        }[source.form]  # fmt: skip
        function.__signature__ = inspect.Signature(parameters)
        function.__annotations__ = {}
        return function

    def _class(self, source: Source, key: Any, made: Any, parameters: list[Any]) -> Any:
        graph, name = self, self.classes[source.number].__name__
        if source.form == "attributes":
            annotations = {item.name: item.annotation for item in parameters}

            def set_(self: Any, name: str, value: object) -> None:
                graph.journal.add(f"set {source.number} {name}", value)
                object.__setattr__(self, name, value)

            body = {"__annotations__": annotations, "__setattr__": set_}
            return types.new_class(name, (key,), {}, lambda space: space.update(body))

        def __init__(self: Any, *given: object, **named: object) -> None:  # noqa: N807
            self.given = made(*given, **named).given

        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        __init__.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
        return types.new_class(name, (key,), {}, lambda space: space.update(__init__=__init__))

    def _entry(self, entry: Entry, number: int) -> EntryPoint:
        graph = self
        parameters = self._parameters(entry.asks, marked=True)
        read = inspect.Parameter("read", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if entry.function is not None:
            dependency = self._function(entry.function)
            parameters.append(
                inspect.Parameter("function", inspect.Parameter.KEYWORD_ONLY,
                                  default=Depend(dependency))
            )  # fmt: skip

        def answer(read: object, *given: object, **named: object) -> list[Provider[Any]]:
            graph.journal.add("call with", *given, *named.values())
            graph.journal.lines[-1] += f" read {read}"
            if entry.fails:
                raise PermissionError("refused")
            return list(_handles([*given, *named.values()]))

        async def target(read: object, *given: object, **named: object) -> str:
            for handle in answer(read, *given, **named):
                graph.journal.add("handle gives", await handle.get(), await handle.get())
            return "answer"

        def target_now(read: object, *given: object, **named: object) -> str:
            for handle in answer(read, *given, **named):
                graph.journal.add("handle gives", handle(), handle())
            return "answer"

        function: Any = target if entry.awaits else target_now
        function.__signature__ = inspect.Signature([read, *parameters])
        before: tuple[Any, ...] = ()
        if entry.guard is not None:
            before = (self._guard(entry.guard),)
        values: tuple[Any, ...] = (Key(dict, "call"),)
        if entry.place != "request":
            values = (*values, Key(ScopeContext))
        return EntryPoint(
            f"GET /{number}", function, module=self.module, values=values, before=before,
            reads=_Reads(self.journal_of), shared=entry.place == "shared",
            finish=None if entry.place == "shared" else lambda result: f"{result} finished",
        )  # fmt: skip

    def journal_of(self) -> Journal:
        """Return the journal of now."""
        return self.journal

    def _guard(self, asks: tuple[tuple[int, str], ...]) -> Callable[..., None]:
        def guard(*given: object, **named: object) -> None:
            self.journal.add("guard with", *given, *named.values())

        guard.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            self._parameters(asks, marked=True)
        )
        return guard

    def _function(self, asks: tuple[tuple[int, str], ...]) -> Callable[..., object]:
        async def dependency(read: object, *given: object, **named: object) -> AsyncIterator[str]:
            self.journal.add("open function with", *given, *named.values())
            yield "value"
            self.journal.add("close function")

        read = inspect.Parameter("read", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        dependency.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [read, *self._parameters(asks, marked=True)]
        )
        dependency.__annotations__ = {}
        return dependency


class _Reads:
    def __init__(self, journal: Callable[[], Journal]) -> None:
        self._journal = journal

    def getter(
        self, asker: Callable[..., object], parameter: Parameter, *, before: bool
    ) -> Getter | None:
        if parameter.name != "read":
            return None

        def read(*values: Any) -> object:
            self._journal().lines.append("read")
            return values[0]["read"]

        return Getter(read)


def _handles(items: list[object]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, Provider | Lazy):
            yield item
        yield from _handles([*getattr(item, "given", ())])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a graph whose asks are legal: nothing keeps what lives shorter."""
    sources: list[Source] = []
    effective: list[int] = []
    # A plain handler is refused where anything it needs awaits.
    calm = draw(st.sampled_from((False, False, True)))
    for number in range(draw(st.integers(1, 9))):
        lifetime = draw(st.sampled_from(LIFETIMES))
        asks = draw(_asks(number, effective, lifetime.length))
        reached = [effective[other] for other, _ in asks]
        length = min([3, *reached]) if lifetime is Scope.TRANSIENT else lifetime.length
        effective.append(length)
        is_open = draw(st.sampled_from((False, False, True)))
        around = tuple(
            Source(
                number, lifetime, lazy=False, form=draw(_forms(calm)),
                asks=((number, draw(st.sampled_from(WAYS_INSIDE))), *asks),
                fails=draw(_failures()), is_open=is_open, name=f"{number} around {layer}",
            )
            for layer in range(draw(st.sampled_from((0, 0, 0, 1, 2))))
        )  # fmt: skip
        sources.append(
            Source(
                number, lifetime, draw(st.booleans()), draw(_forms(calm)), asks,
                draw(_failures()), is_open, around,
            )
        )  # fmt: skip
    entries = [
        Entry(
            draw(st.sampled_from(("request", "request", "message", "shared"))),
            draw(_asks(len(sources), effective, 1)),
            draw(st.none() | _asks(len(sources), effective, 1)),
            draw(st.none() if calm else st.none() | _asks(len(sources), effective, 1)),
            awaits=not calm,
            fails=draw(st.sampled_from((False, False, False, True))),
        )
        for _ in range(2)
    ]  # fmt: skip
    return Graph(sources, entries)


def _forms(calm: bool) -> st.SearchStrategy[str]:
    return st.sampled_from(CALM_FORMS if calm else FORMS)


def _failures() -> st.SearchStrategy[str]:
    return st.sampled_from(("",) * 12 + ("making", "closing"))


def _asks(number: int, effective: list[int], length: int) -> st.SearchStrategy[Any]:
    legal = [other for other in range(number) if effective[other] >= length]
    if not legal:
        return st.just(())
    one = st.tuples(st.sampled_from(legal), st.sampled_from(WAYS))
    return st.lists(one, max_size=5).map(tuple)

"""Small pieces for container tests: modules in one line, entries, a source of parameters."""

from collections.abc import Callable
from typing import Any

from nexios.container.entry import Entry, EntryPoint, Getter, Unreadable
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.container.signature import Parameter


class FromValues:
    """Reads parameters by name: from the call's one value, a dictionary."""

    def __init__(self, *names: str, awaits: bool = False, log: list[str] | None = None) -> None:
        self.names = names
        self.awaits = awaits
        self.log = log if log is not None else []
        self.asked: list[tuple[str, bool]] = []

    def getter(
        self, asker: Callable[..., object], parameter: Parameter, *, before: bool
    ) -> Getter | None:
        self.asked.append((parameter.name, before))
        if parameter.name == "refused":
            raise Unreadable("refused cannot be read", "name it otherwise")
        if parameter.name not in self.names:
            return None
        return Getter(self._later if self.awaits else self._now(parameter.name), self.awaits)

    def _now(self, name: str) -> Callable[..., object]:
        def read(call: dict[str, object]) -> object:
            self.log.append(f"read {name}")
            return call[name]

        return read

    async def _later(self, call: dict[str, object]) -> object:
        return call[self.names[0]]


VALUES = (Key(dict, "call"),)


def point(target: Callable[..., Any], label: str = "GET /x", **options: Any) -> EntryPoint:
    """Return an entry point that is called with one dictionary."""
    options.setdefault("reads", FromValues())
    return EntryPoint(label, target, values=VALUES, **options)


async def run(entry: Entry, **values: object) -> Any:
    """Call an entry as an adapter does."""
    plan = entry.plan
    result: Any = plan.call(values)
    if plan.awaits:
        result = await result
    return result if plan.finish is None else plan.finish(result)


def module_of(*keys: object, scope: Scope | None = None, name: str = "app") -> Module:
    """Return a module that binds classes to themselves."""
    module = Module(name)
    for key in keys:
        module.bind(key, scope=scope)
    return module

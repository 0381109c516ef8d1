"""Many bindings: generated classes, modules that bind them, and what building them costs.

Every build gets classes of its own, as a start has: nothing read before is known.
"""

import gc
import inspect
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import get_type_hints

import anyio.lowlevel
from timing import Result, result_of, seconds

from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.entry import EntryPoint
from nexios.container.module import Module
from nexios.container.scope import Scope

MODULE_SIZE = 50
GROUP_SIZE = 10
ENTRIES = 100
BUILDS = 10


def generated(number: int) -> list[type]:
    """Return classes in groups of ten: each asks for up to three before it in its group."""
    made: list[type] = []
    for index in range(number):
        first = index - index % GROUP_SIZE
        asked = made[max(first, index - 3) : index]
        made.append(_service(index, asked))
    return made


def modules_of(classes: Sequence[type]) -> Module:
    """Bind the classes, fifty to a module that exports its last; one of ten is a singleton."""
    root = Module("root")
    for start in range(0, len(classes), MODULE_SIZE):
        part = Module(f"part{start // MODULE_SIZE}")
        members = classes[start : start + MODULE_SIZE]
        for place, cls in enumerate(members):
            single = place % GROUP_SIZE == 0
            part.bind(cls, scope=Scope.SINGLETON if single else None)
        part.export(members[-1])
        root.include(part)
    return root


def entries_of(root: Module, number: int) -> list[EntryPoint]:
    """Return entry points, spread over the modules, each asking for what a module exports."""
    points = []
    for index in range(number):
        module = root.included[index % len(root.included)]
        points.append(EntryPoint(f"GET /{index}", _handler(module), module=module))
    return points


def against_signatures(rounds: int, number: int = 200) -> Result:
    """Compare building and checking with reading the same constructors."""
    pairs = []
    for _ in range(min(rounds, BUILDS)):
        classes = generated(number)

        def read(classes: Sequence[type] = classes) -> None:
            for cls in classes:
                inspect.signature(cls.__init__)  # type: ignore[misc]  # of a generated class
                get_type_hints(cls.__init__)  # type: ignore[misc]

        pairs.append((_built(classes), seconds(read)))
    return result_of(pairs)


def against_fewer(rounds: int, many: int = 1000, few: int = 200) -> Result:
    """Compare building many bindings with building few."""
    pairs = [(_built(generated(many)), _built(generated(few))) for _ in range(min(rounds, BUILDS))]
    return result_of(pairs)


async def start_ms(rounds: int, number: int = 1000, entries: int = 0) -> float:
    """Return the CPU milliseconds from the first ``Module`` to running, the collector on.

    The least of the rounds: what else runs on the machine can only add.
    """
    found: list[float] = []
    for _ in range(min(rounds, BUILDS)):
        classes = generated(number)
        gc.collect()
        started = time.thread_time()
        root = modules_of(classes)
        container = Container(root, entries=entries_of(root, entries))
        await container.start()
        found.append((time.thread_time() - started) * 1e3)
        await container.stop()
        await anyio.lowlevel.checkpoint()
    return min(found)


def bytes_of_binding(number: int = 1000) -> float:
    """Return what a built container holds for each binding, its classes not counted."""
    classes = generated(number)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    container = Container(modules_of(classes))
    container.validate()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(container.wiring.nodes) >= number
    return (after - before) / number


def _built(classes: Sequence[type]) -> float:
    return seconds(lambda: Container(modules_of(classes)).validate())


def _service(index: int, asked: Sequence[type]) -> type:
    names = [f"service_{place}" for place in range(len(asked))]
    lines = [f"def __init__(self, {', '.join(names)}):", *(f"    self.{n} = {n}" for n in names)]
    space: dict[str, object] = {}
    exec("\n".join([*lines, "    return"]), {"__name__": __name__}, space)
    constructor = space["__init__"]
    vars(constructor).clear()
    constructor.__annotations__ = {**dict(zip(names, asked, strict=True)), "return": None}
    return type(f"Service{index}", (), {"__init__": constructor, "__module__": __name__})


def _handler(module: Module) -> Callable[..., object]:
    key = module.exported[0][0]

    def handler(service: object = Depend(key)) -> object:
        return service

    return handler

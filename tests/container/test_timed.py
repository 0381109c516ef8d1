"""How long the making of objects took, told in both ways of making them."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.entry import EntryPoint
from nexios.container.module import Module
from nexios.container.scope import Scope

pytestmark = pytest.mark.asyncio

Told = list[tuple[str, Scope, float, str | None]]


class Pool: ...


class Session: ...


class Reader: ...


class Slow:
    def __init__(self, session: Session) -> None:
        self.session = session
        time.sleep(0.003)


class Quick:
    def __init__(self, slow: Slow, reader: Reader, pool: Pool) -> None:
        self.parts = slow, reader, pool


def module_of(closed: list[str]) -> Module:
    module = Module("timed")

    async def pool() -> Pool:
        await anyio.sleep(0.01)
        return Pool()

    async def session() -> AsyncIterator[Session]:
        await anyio.sleep(0.005)
        try:
            yield Session()
        except BaseException as error:
            closed.append(f"session {type(error).__name__}")
            raise
        else:
            closed.append("session")

    def reader() -> Iterator[Reader]:
        try:
            yield Reader()
        finally:
            closed.append("reader")

    module.bind(Pool, scope=Scope.SINGLETON).to(pool)
    module.bind(Session).to(session)
    module.bind(Reader).to(reader)
    module.bind(Slow)
    module.bind(Quick)
    module.export(Pool, Session, Reader, Slow, Quick)
    return module


@pytest.mark.parametrize("compiled", [True, False])
async def test_what_is_opened_awaited_or_slow_is_told_once_and_closed(compiled: bool) -> None:
    told: Told = []
    closed: list[str] = []

    async def handler(quick: Quick = Depend()) -> str:
        return type(quick).__name__

    point = EntryPoint("GET /", handler)
    container = Container(
        module_of(closed),
        entries=[point],
        compiled=compiled,
        watch=lambda *one: told.append(one),
    )
    async with container:
        for _ in range(2):
            answer: Any = container.entry(point).plan.call()
            assert await answer == "Quick"
    names = [(name, scope, failure) for name, scope, _, failure in told]
    per_call = {
        ("Session", Scope.REQUEST, None),
        ("Reader", Scope.REQUEST, None),
        ("Slow", Scope.REQUEST, None),
    }
    short = [(name.rpartition(".")[2], scope, failure) for name, scope, failure in names]
    assert short.count(("Pool", Scope.SINGLETON, None)) == 1
    assert {one for one in short if one[0] != "Pool"} == per_call
    assert len(short) == 7
    assert closed in (["reader", "session"] * 2, ["session", "reader"] * 2)
    spent = {name.rpartition(".")[2]: seconds for name, _, seconds, _ in told}
    assert spent["Pool"] >= 0.009
    assert 0.004 <= spent["Session"] < 0.05
    assert 0.002 <= spent["Slow"] < 0.05  # less what it is made of


@pytest.mark.parametrize("compiled", [True, False])
async def test_a_failure_is_told_and_the_rest_is_unwound(compiled: bool) -> None:
    told: Told = []
    closed: list[str] = []
    module = module_of(closed)

    class Broken:
        def __init__(self, session: Session) -> None:
            raise LookupError("no table")

    module.bind(Broken)

    async def handler(broken: Broken = Depend()) -> str:
        return "never"

    module.export(Broken)
    point = EntryPoint("GET /", handler)
    container = Container(
        module, entries=[point], compiled=compiled, watch=lambda *one: told.append(one)
    )
    async with container:
        answer: Any = container.entry(point).plan.call()
        with pytest.raises(LookupError):
            await answer
    failed = [(name.rpartition(".")[2], failure) for name, _, _, failure in told if failure]
    assert failed == [("Broken", "LookupError")]
    assert closed == ["session LookupError"]

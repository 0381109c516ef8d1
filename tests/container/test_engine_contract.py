"""What we rely on, and what we avoid, in dependency-injector: an upgrade that changes it is seen.

Numbers in names are the sections of ``design/container.md``.
"""

import copy
import subprocess
import sys
from typing import Any

import pytest
from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from nexios.container.keys import MISSING
from nexios.container.providers import (
    CollectedDict,
    ConstantObject,
    PlainFactory,
    ScopedFactory,
    TakingFactory,
    within,
)
from nexios.container.scope import Scope, ScopeContext


class Thing:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


def test_2_1_factory_injects_positionals_keywords_and_attributes() -> None:
    inner = providers.Factory(Thing)
    outer = providers.Factory(Thing)
    outer.add_args(inner, 3)
    outer.add_kwargs(named=inner)
    outer.add_attributes(attribute=inner)
    made = outer()
    assert isinstance(made.args[0], Thing)
    assert made.args[1] == 3
    assert isinstance(made.kwargs["named"], Thing)
    assert isinstance(made.attribute, Thing)


def test_2_1_related_yields_every_edge() -> None:
    one, two, three = (providers.Object(number) for number in range(3))
    outer = providers.Factory(Thing)
    outer.add_args(one)
    outer.add_kwargs(named=two)
    outer.add_attributes(attribute=three)
    assert set(outer.related) == {one, two, three}
    collected = providers.Dict()
    collected.add_kwargs({1: one, "two": two})
    assert set(collected.related) == {one, two}
    assert collected() == {1: 0, "two": 1}


def test_2_1_an_empty_list_provider_gives_a_tuple() -> None:
    # Why collections are factories of ours.
    assert providers.List()() == ()


def test_2_1_disabled_async_mode_passes_coroutines_as_values() -> None:
    async def work() -> None: ...

    coroutine = work()
    inner = providers.Object(coroutine)
    outer = providers.Factory(Thing)
    outer.add_args(inner)
    inner.disable_async_mode()
    outer.disable_async_mode()
    assert outer().args == (coroutine,)
    coroutine.close()


def test_2_2_double_underscores_in_injected_keywords_are_fine() -> None:
    outer = providers.Factory(Thing)
    outer.add_kwargs(user__id=4)
    assert outer().kwargs == {"user__id": 4}


def test_2_2_positionals_at_call_time_are_appended() -> None:
    # Why the interpreter calls providers without arguments.
    outer = providers.Factory(Thing)
    outer.add_args(1)
    assert outer(2).args == (1, 2)


def test_2_3_provide_of_a_subclass_is_called_and_can_be_overridden_and_injected() -> None:
    seen: list[str] = []

    class Watching(providers.Factory[Any]):
        def _provide(self, args: Any, kwargs: Any) -> Any:
            seen.append("provide")
            return super()._provide(args, kwargs)  # type: ignore[misc]

    watching = Watching(Thing)
    outer = providers.Factory(Thing)
    outer.add_args(watching)
    assert isinstance(outer().args[0], Thing)
    watching.override(providers.Object("other"))
    assert outer().args == ("other",)
    assert seen == ["provide"]


def test_2_3_deepcopy_builds_without_arguments_and_ours_keep_their_attributes() -> None:
    plain = PlainFactory(Thing)
    plain.slot = 3
    scoped = ScopedFactory(Thing)
    scoped.slot, scoped.lifetime, scoped.title, scoped.driven = 4, Scope.SINGLETON, "Thing", True
    taking = TakingFactory(Thing)
    taking.make = lambda: 7  # type: ignore[assignment,return-value]
    for original in (plain, scoped, taking, ConstantObject(1), CollectedDict()):
        copied = copy.deepcopy(original)
        assert type(copied) is type(original)
        assert copied.slot == original.slot
    copied_scoped = copy.deepcopy(scoped)
    assert (copied_scoped.lifetime, copied_scoped.title) == (Scope.SINGLETON, "Thing")
    assert copied_scoped.driven
    assert copy.deepcopy(taking)() == 7


@pytest.mark.parametrize(
    "provider",
    [PlainFactory(Thing), ScopedFactory(Thing), TakingFactory(Thing), ConstantObject(1),
     CollectedDict()],
)  # fmt: skip
def test_2_3_every_way_to_override_is_announced(provider: Any) -> None:
    told: list[int] = []
    provider.slot, provider.notify = 9, told.append
    provider.override(providers.Object(1))
    provider.override(providers.Object(2))
    assert provider() == 2
    assert len(provider.overridden) == 2
    provider.reset_last_overriding()
    assert provider() == 1
    provider.reset_override()
    with provider.override(providers.Object(3)):
        assert provider() == 3
    assert not provider.overridden
    assert told == [9] * 6


def test_2_3_leaving_the_library_s_own_with_out_of_order_pops_the_last_one() -> None:
    # Why the book-keeping of overrides is ours.
    provider = providers.Factory(Thing)
    first = provider.override(providers.Object(1))
    provider.override(providers.Object(2))
    first.__exit__(None, None, None)
    assert provider() == 1


def test_2_3_a_cycle_ends_the_call_and_on_some_pythons_the_process() -> None:
    # Why our graph finds cycles first: a RecursionError on 3.11 and 3.12, a crash on 3.13.
    code = (
        "from dependency_injector import providers\n"
        "one, two = providers.Factory(object), providers.Factory(object)\n"
        "one.add_args(two)\ntwo.add_args(one)\none()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 1 if sys.version_info < (3, 13) else done.returncode != 0
    if sys.version_info < (3, 13):
        assert b"RecursionError" in done.stderr


def test_2_3_a_provider_named_like_a_method_replaces_it() -> None:
    # Why names are generated.
    container = DynamicContainer()
    container.set_provider("override", providers.Object(1))
    assert container.override() == 1


def test_2_3_a_singleton_returning_none_runs_on_every_call() -> None:
    calls: list[int] = []
    singleton = providers.Singleton(lambda: calls.append(1))
    singleton()
    singleton()
    assert len(calls) == 2


def test_2_4_scoped_factory_makes_one_object_per_scope() -> None:
    provider: Any = ScopedFactory(Thing)
    provider.slot, provider.lifetime = 0, Scope.REQUEST
    resolver: Any = None
    root = ScopeContext(resolver, Scope.SINGLETON)
    first, second = (ScopeContext(resolver, Scope.REQUEST, root) for _ in range(2))
    made = within(first, {}, provider)
    assert within(first, {}, provider) is made
    assert within(second, {}, provider) is not made
    assert first.cache == {0: made}
    assert root.cache.get(0, MISSING) is MISSING


def test_importing_nexios_does_not_load_dependency_injector_wiring() -> None:
    code = (
        "import sys, nexios.container, nexios\n"
        "from nexios.container import Container, Module\n"
        "print([name for name in sys.modules if name.endswith('injector.wiring')])\n"
        "Container(Module('app')).validate()\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"

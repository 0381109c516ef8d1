"""Conditions: decided once, disjoint ones share a key, and one binding remains for a port."""

from typing import Any, Protocol, TypeVar

import pytest

from nexios.container.binding import Condition, profile
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.errors import ContainerError, MissingBinding, ProfileGap
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.golden import assert_golden
from tests.support.wiring import module_of, point

pytestmark = pytest.mark.anyio

T = TypeVar("T")
S = TypeVar("S")


class Mailer(Protocol):
    def send(self) -> str: ...


class Smtp:
    def send(self) -> str:
        return "smtp"


class Printing:
    def send(self) -> str:
        return "printed"


class Silent:
    def send(self) -> str:
        return "silent"


class Counting:
    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer

    def send(self) -> str:
        return f"counted({self.mailer.send()})"


class Toolbar:
    pass


class Welcome:
    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer


def mail_module() -> Module:
    mail = Module("mail")
    mail.bind(Mailer, when=profile("prod", "staging")).to(Smtp)
    mail.bind(Mailer, when=~profile("prod", "staging")).to(Printing)
    return mail


async def sent(root: Module, name: str | None, key: Any = Mailer) -> str:
    """Return what the mailer of a profile says."""
    async with Container(root, profile=name) as container, container.enter() as scope:
        found: str = (await scope.get(key)).send()
        return found


def refusal(root: Module, name: str | None, *points: Any) -> Any:
    """Return the error of a container that must not build for a profile."""
    with pytest.raises(ContainerError) as found:
        Container(root, profile=name, entries=points).validate()
    return found.value


@pytest.mark.parametrize(
    ("name", "says"),
    [("prod", "smtp"), ("staging", "smtp"), ("test", "printed"), (None, "printed")],
)
async def test_disjoint_conditions_choose_one_binding(name: str | None, says: str) -> None:
    assert await sent(mail_module(), name) == says


async def test_without_a_profile_only_negated_conditions_hold() -> None:
    assert not profile("prod").holds(None)
    assert (~profile("prod")).holds(None)
    assert ~~profile("prod") == profile("prod")
    assert str(~profile("prod", "staging")) == '~profile("prod", "staging")'


async def test_conditions_hold_for_provides_add_and_decorate() -> None:
    root = Module("app")

    @root.provides(Mailer, when=profile("prod"))
    def smtp() -> Smtp:
        return Smtp()

    @root.provides(when=~profile("prod"))
    def printing() -> Mailer:
        return Printing()

    root.decorate(Mailer, when=profile("prod")).with_(Counting)
    root.add(Key(Mailer, "many"), when=profile("prod")).to(Smtp)
    root.add(Key(Mailer, "many"), when=~profile("prod")).to(Printing)
    root.add(Key(Mailer, "many")).to(Silent)
    assert await sent(root, "prod") == "counted(smtp)"
    assert await sent(root, "dev") == "printed"
    for name, says in (("prod", ["smtp", "silent"]), ("dev", ["printed", "silent"])):
        async with Container(root, profile=name) as container, container.enter() as scope:
            many = await scope.get(Key(list[Mailer], "many"))
            assert [one.send() for one in many] == says


async def test_a_twin_keeps_the_profile() -> None:
    async with Container(mail_module(), profile="prod").derive() as twin, twin.enter() as scope:
        assert (await scope.get(Mailer)).send() == "smtp"


async def test_conditions_of_two_modules_meet_above_them() -> None:
    smtp, printing = (Module(name).export(Mailer) for name in ("smtp", "printing"))
    smtp.bind(Mailer, when=profile("prod")).to(Smtp)
    printing.bind(Mailer, when=~profile("prod")).to(Printing)
    root = module_of(Welcome).include(smtp, printing)
    assert await sent(root, "prod") == "smtp"
    assert await sent(root, "dev") == "printed"


async def test_a_condition_may_name_a_profile_that_nothing_else_knows() -> None:
    root = Module("app")
    root.bind(Mailer, when=profile("prod", "someday")).to(Smtp)
    root.bind(Mailer, when=~profile("prod", "someday")).to(Printing)
    assert await sent(root, "dev") == "printed"


async def test_replace_for_one_profile_leaves_the_included_binding_for_others() -> None:
    inner = Module("inner").export(Mailer)
    inner.bind(Mailer).to(Smtp)
    root = Module("app").include(inner)
    root.bind(Mailer, replace=True, when=profile("test")).to(Silent)
    assert await sent(root, "test") == "silent"
    assert await sent(root, "prod") == "smtp"


async def test_replace_may_have_nothing_to_replace_where_another_profile_has() -> None:
    inner = Module("inner").export(Mailer)
    inner.bind(Mailer, when=profile("prod")).to(Smtp)
    root = Module("app").include(inner)
    root.bind(Mailer, replace=True).to(Silent)
    assert await sent(root, "prod") == "silent"
    assert await sent(root, "dev") == "silent"


async def test_a_default_yields_only_to_what_is_in_for_the_profile() -> None:
    inner = Module("inner").export(Mailer, Welcome)
    inner.bind(Mailer, default=True).to(Smtp)
    inner.bind(Welcome)
    root = Module("app").include(inner)
    root.bind(Mailer, when=profile("test")).to(Silent)
    for name, says in (("test", "silent"), ("prod", "smtp")):
        async with Container(root, profile=name) as container, container.enter() as scope:
            assert (await scope.get(Welcome)).mailer.send() == says


async def test_an_optional_ask_does_without_what_another_profile_has() -> None:
    class Report:
        def __init__(self, mailer: Mailer | None, toolbar: Toolbar | None = None) -> None:
            self.mailer, self.toolbar = mailer, toolbar

    root = module_of(Report)
    root.bind(Mailer, when=profile("prod")).to(Smtp)
    root.bind(Toolbar, when=profile("dev"))
    async with Container(root, profile="test") as container, container.enter() as scope:
        report = await scope.get(Report)
        assert (report.mailer, report.toolbar) == (None, None)


async def test_a_class_bound_to_itself_and_an_add_may_be_absent() -> None:
    root = module_of(Welcome)
    root.bind(Mailer).to(Smtp)
    root.bind(Toolbar, when=profile("dev"), scope=Scope.SINGLETON)
    root.decorate(Toolbar).with_(lambda toolbar: toolbar).using(toolbar=Key(Toolbar))
    root.add(Key(Mailer, "extra"), when=profile("dev")).to(Printing)
    root.export(Toolbar, Key(list[Mailer], "extra"))
    async with Container(root, profile="prod") as container, container.enter() as scope:
        assert Toolbar not in container
        assert await scope.get(Key(list[Mailer], "extra")) == []


async def test_named_bindings_of_other_profiles_are_missing_in_dictionaries() -> None:
    class All:
        def __init__(self, mailers: dict[str, Mailer]) -> None:
            self.names = list(mailers)

    root = module_of(All)
    root.bind(Key(Mailer, "smtp"), when=profile("prod")).to(Smtp)
    root.bind(Key(Mailer, "print")).to(Printing)
    async with Container(root, profile="dev") as container, container.enter() as scope:
        assert (await scope.get(All)).names == ["print"]


# Gaps.


def test_conditions_leaving_none_are_refused_for_that_profile() -> None:
    root = Module("mail")
    root.bind(Mailer, when=profile("prod")).to(Smtp)
    root.bind(Mailer, when=profile("dev")).to(Printing)
    Container(root, profile="prod").validate()
    error = refusal(root, "test")
    assert isinstance(error, ProfileGap)
    assert error.key == Key(Mailer)
    assert_golden(error, "profile_leaves_none.txt")


def test_who_asks_for_what_no_condition_leaves_is_shown() -> None:
    async def show(welcome: Welcome = Depend()) -> None: ...

    root = module_of(Welcome, name="mail")
    root.bind(Mailer, when=~profile("test")).to(Smtp)
    error = refusal(root, "test", point(show))
    assert isinstance(error, ProfileGap)
    assert error.label == "GET /x"
    assert_golden(error, "profile_leaves_none_asked.txt")


def test_a_class_bound_to_itself_for_another_profile_is_a_gap_where_it_is_asked() -> None:
    class Page:
        def __init__(self, toolbar: Toolbar) -> None: ...

    root = module_of(Page)
    root.bind(Toolbar, when=profile("dev"))
    Container(root, profile="dev").validate()
    assert isinstance(refusal(root, "prod"), ProfileGap)


def test_no_profile_leaving_none_names_one_to_pass() -> None:
    root = Module("mail")
    root.bind(Mailer, when=profile("prod")).to(Smtp)
    root.bind(Mailer, when=profile("dev")).to(Printing)
    error = refusal(root, None)
    assert isinstance(error, ProfileGap)
    assert_golden(error, "no_profile_leaves_none.txt")


def test_conditions_leaving_two_are_refused_for_that_profile() -> None:
    root = Module("mail")
    root.bind(Mailer, when=profile("prod")).to(Smtp)
    root.bind(Mailer).to(Printing)
    Container(root, profile="dev").validate()
    error = refusal(root, "prod")
    assert isinstance(error, ProfileGap)
    assert_golden(error, "profile_leaves_two.txt")


@pytest.mark.parametrize(
    ("one", "two", "running", "fix"),
    [
        (profile("a", "b"), profile("b", "c"), "b", 'mail.bind(Mailer, when=profile("c"))'),
        (profile("a", "b"), profile("b"), "b", 'mail.bind(Mailer, when=profile("a"))'),
        (profile("b"), profile("b"), "b", 'mail.bind(Mailer, when=~profile("b"))'),
        (profile("b"), ~profile("a"), "b", 'mail.bind(Mailer, when=~profile("a", "b"))'),
        (~profile("a"), None, "b", 'mail.bind(Mailer, when=profile("a"))'),
        (~profile("a"), ~profile("b"), None, 'mail.bind(Mailer, when=profile("a"))'),
    ],
)
def test_the_fix_for_two_parts_their_conditions(
    one: Condition, two: Condition | None, running: str | None, fix: str
) -> None:
    root = Module("mail")
    root.bind(Mailer, when=one).to(Smtp)
    root.bind(Mailer, when=two).to(Printing)
    error = refusal(root, running)
    assert isinstance(error, ProfileGap)
    assert f"remove one, or {fix}" in error.fix


def test_two_that_remain_through_an_include_are_refused() -> None:
    inner = Module("inner").export(Mailer)
    inner.bind(Mailer, when=profile("prod")).to(Smtp)
    root = Module("app").include(inner)
    root.bind(Mailer).to(Printing)
    Container(root, profile="dev").validate()
    error = refusal(root, "prod")
    assert isinstance(error, ProfileGap)
    assert "app.bind(Mailer, when=~profile" in error.fix


def test_two_modules_that_both_remain_are_refused_where_one_is_asked() -> None:
    smtp, printing = (Module(name).export(Mailer) for name in ("smtp", "printing"))
    smtp.bind(Mailer, when=profile("prod", "dev")).to(Smtp)
    printing.bind(Mailer, when=~profile("prod")).to(Printing)
    error = refusal(module_of(Welcome).include(smtp, printing), "dev")
    assert isinstance(error, ProfileGap)
    assert error.says == 'for profile "dev" two bindings of Mailer remain'
    assert error.asked_by[0].text == "Welcome.__init__(mailer)"


async def test_a_key_of_another_profile_asked_of_a_scope_is_named() -> None:
    root = Module("app")
    root.bind(Toolbar, when=profile("dev"))
    async with Container(root, profile="prod") as container, container.enter() as scope:
        assert await scope.get(Toolbar | None) is None
        with pytest.raises(ProfileGap):
            await scope.get(Toolbar)


def test_near_names_the_profile_of_what_is_out_of_sight() -> None:
    other = Module("other")
    other.bind(Toolbar, when=profile("dev"))

    class Page:
        def __init__(self, toolbar: Toolbar) -> None: ...

    error = refusal(module_of(Page).include(other), "prod")
    assert isinstance(error, MissingBinding)
    assert error.notes[0].startswith(
        'near: Toolbar is bound when=profile("dev")   (module "other"'
    )


def test_lines_that_mend_keep_the_condition() -> None:
    class Needy:
        def __init__(self, mailer: Mailer, host: str) -> None: ...

        def send(self) -> str:
            return ""

    root = mail_module()
    root.bind(Key(Mailer, "needy"), when=profile("dev")).to(Needy)
    error = refusal(root, "dev")
    assert error.fix.startswith(
        "mail.bind(Key(Mailer, 'needy'), when=profile(\"dev\")).to(Needy).using(host=...)"
    )


def test_what_is_no_condition_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="names of profiles"):
        profile()
    with pytest.raises(TypeError, match="takes a condition"):
        Module("app").bind(Toolbar, when="dev")  # type: ignore[call-overload]  # what is tested
    with pytest.raises(TypeError, match="takes a condition"):
        Module("app").decorate(Toolbar, when="dev")  # type: ignore[call-overload]  # ibid.


# Open keys.


class Repository(Protocol[T]):
    def find(self) -> T: ...


class Sql(Repository[T]):
    def find(self) -> T:
        raise NotImplementedError


class Memory(Repository[T]):
    def find(self) -> T:
        raise NotImplementedError


class Users:
    def __init__(self, users: Repository[int]) -> None:
        self.users = users


def open_module(*, sql: Any = None, memory: Any = None) -> Module:
    """Return a module of repositories, each with its condition."""
    data = module_of(Users, name="data")
    data.bind(Repository[T], when=sql).to(Sql[T])
    if memory is not None:
        data.bind(Repository[S], when=memory).to(Memory[S])
    data.export(Repository[T], Users)
    return data


@pytest.mark.parametrize(("name", "made"), [("prod", Sql), ("test", Memory), (None, Memory)])
async def test_conditions_choose_the_open_binding_that_is_closed(
    name: str | None, made: type
) -> None:
    root = open_module(sql=profile("prod"), memory=~profile("prod"))
    async with Container(root, profile=name) as container, container.enter() as scope:
        assert type((await scope.get(Users)).users) is made
        key: Any = Repository[str]
        assert type(await scope.get(key)) is made


def test_a_form_whose_open_binding_is_for_other_profiles_is_a_gap_told_once() -> None:
    root = Module("app").include(open_module(sql=profile("prod")))
    error = refusal(root, "test")
    assert isinstance(error, ProfileGap)
    assert_golden(error, "profile_leaves_no_open_one_asked.txt")


def test_an_open_binding_that_only_other_profiles_have_is_a_gap_though_nobody_asks() -> None:
    root = Module("app")
    root.bind(Repository[T], when=profile("prod")).to(Sql[T])
    error = refusal(root, "test")
    assert isinstance(error, ProfileGap)
    assert_golden(error, "profile_leaves_no_open_one.txt")


def test_two_open_bindings_that_remain_are_told_by_their_conditions() -> None:
    root = open_module(sql=profile("prod"), memory=profile("prod", "test"))
    error = refusal(root, "prod")
    assert isinstance(error, ProfileGap)
    assert_golden(error, "profile_leaves_two_open_ones.txt")


def test_two_exported_open_bindings_are_told_by_their_conditions_where_one_is_asked() -> None:
    other = Module("other")
    other.bind(Repository[T], when=profile("prod")).to(Memory[T])
    other.export(Repository[T])
    data = Module("data")
    data.bind(Repository[T]).to(Sql[T])
    data.export(Repository[T])
    error = refusal(module_of(Users, name="app").include(data, other), "prod")
    assert isinstance(error, ProfileGap)
    assert_golden(error, "profile_leaves_two_open_ones_asked.txt")


async def test_an_open_decorator_holds_by_its_condition() -> None:
    class Counted(Repository[T]):
        def __init__(self, inner: Repository[T]) -> None: ...

        def find(self) -> T:
            raise NotImplementedError

    root = open_module()
    root.decorate(Repository[T], when=profile("prod")).with_(Counted[T])
    for name, made in (("prod", Counted), ("test", Sql)):
        async with Container(root, profile=name) as container, container.enter() as scope:
            assert type((await scope.get(Users)).users) is made

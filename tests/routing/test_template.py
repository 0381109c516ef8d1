"""Templates are read strictly and build only paths that lead back to them."""

import string
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.routing.converters import Convertor, register_url_convertor
from nexios.adapters.routing.errors import (
    InvalidTemplate,
    RouteWarning,
    UnbuildablePath,
    UnknownRoute,
)
from nexios.adapters.routing.names import Names
from nexios.adapters.routing.table import Found, Table
from nexios.adapters.routing.template import Template, normalise_prefix


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("/{a", "no partner"),
        ("/a}", "no partner"),
        ("/{a}}", "no partner"),
        ("/{{a}}", "no partner"),
        ("/{}", "no name"),
        ("/{1a}", "no name"),
        ("/{a b}", "no name"),
        ("/{a:in}", "did you mean 'int'"),
        ("/{a:}", "no converter ''"),
        ("/{a}/{a:int}", "'a' stands in it twice"),
        ("/{p:path}/{q:path}", "only one part"),
        ("/x{p:path}", "whole segments"),
        ("/{a}.{b}.{c}.{d}", "more than 3 fields"),
    ],
)
def test_a_template_that_cannot_be_read_is_refused_with_its_line(raw: str, says: str) -> None:
    with pytest.raises(InvalidTemplate, match=r"app\.py:7") as refusal:
        Template.parse(raw, where="app.py:7")
    assert says in str(refusal.value)


def test_a_mount_has_no_rest_before_it() -> None:
    with pytest.raises(InvalidTemplate, match="only one part"):
        Template.parse("/{p:path}", mount=True)


def test_what_a_template_tells_about_its_fields() -> None:
    template = Template.parse("/u/{id:int}/{name}.{ext:slug}/{rest:path}")
    assert template.param_names == ("id", "name", "ext", "rest")
    assert [field.convertor.annotation for field in template.fields] == [int, str, str, str]
    assert not template.static
    assert Template.parse("/u/me").static


def test_the_empty_template_is_the_root_and_a_missing_slash_warns() -> None:
    assert Template.parse("").raw == "/"
    with pytest.warns(RouteWarning, match="'users' was read as '/users'"):
        assert Template.parse("users").raw == "/users"


@pytest.mark.parametrize("prefix", ["/api", "/api/", "/api//"])
def test_prefixes_are_normalised(prefix: str) -> None:
    assert normalise_prefix(prefix) == "/api"


def test_odd_prefixes() -> None:
    assert [normalise_prefix(prefix) for prefix in (None, "", "/", "//")] == [""] * 4
    with pytest.warns(RouteWarning):
        assert normalise_prefix("api/") == "/api"


@pytest.mark.parametrize("raw", ["/{v}", "/{v:path}", "/a-{v}"])
def test_no_path_is_built_with_nul(raw: str) -> None:
    with pytest.raises(UnbuildablePath, match=r"U\+0000"):
        Template.parse(raw).build({"v": "a\0b"})


TEXT = st.text(min_size=1).filter(
    lambda text: not {"/", "\0"} & {*text} and text not in (".", "..") and not _has_surrogate(text)
)


def _has_surrogate(text: str) -> bool:
    return any(0xD800 <= ord(char) <= 0xDFFF for char in text)


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT,
    "path": st.lists(TEXT | st.just(""), min_size=1).map("/".join),
    "int": st.integers(0, 10**200),
    "float": st.floats(min_value=0, allow_infinity=False, allow_nan=False).map(abs),
    "uuid": st.uuids(),
    "slug": st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True, alphabet=string.printable),
    "date": st.dates(),
    "datetime": st.datetimes(timezones=st.none() | OFFSETS | st.just(UTC)),
}


@pytest.mark.parametrize("converter", VALUES)
@given(data=st.data())
def test_routing_a_built_path_gives_the_value_back(converter: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[converter])
    template = Template.parse(f"/a/{{v:{converter}}}")
    path = Names([("name", template)]).url_for("name", {"v": value})

    assert path.isascii()
    answer = Table([(template, "GET", 1)]).find(unquote(path), "GET")

    assert isinstance(answer, Found)
    assert answer.params["v"] == value


@given(first=TEXT, second=TEXT)
def test_a_mixed_segment_comes_back_or_is_not_built(first: str, second: str) -> None:
    template = Template.parse("/{name}.{ext}")
    try:
        path = template.build({"name": first, "ext": second})
    except UnbuildablePath:
        assert "." in second or len(first + second) > 254
        return
    answer = Table([(template, "GET", 1)]).find(unquote(path), "GET")
    assert isinstance(answer, Found)
    assert answer.params == {"name": first, "ext": second}


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("a b", "a%20b"),
        ("a?b#c", "a%3Fb%23c"),
        ("50%", "50%25"),
        ("%2F", "%252F"),
        ("a\r\nb", "a%0D%0Ab"),
        ("é", "%C3%A9"),
        ("a+b", "a+b"),
        ("a\\b", "a%5Cb"),
    ],
)
def test_values_are_percent_encoded(value: str, quoted: str) -> None:
    assert Template.parse("/x/{v}").build({"v": value}) == f"/x/{quoted}"


def test_static_parts_are_percent_encoded_too() -> None:
    assert Template.parse("/é t/{v}").build({"v": "1"}) == "/%C3%A9%20t/1"


@pytest.mark.parametrize(
    ("raw", "params"),
    [
        ("/{v}", {"v": "a/b"}),
        ("/{v}", {"v": ""}),
        ("/{v}", {"v": ".."}),
        ("/{v}", {"v": "."}),
        ("/{v:path}", {"v": "a/../b"}),
        ("/{v}", {}),
        ("/{v}", {"v": "a", "w": "b"}),
        ("/{v:int}", {"v": -1}),
        ("/{v:int}", {"v": "x"}),
        ("/{v:int}", {"v": None}),
        ("/{v:float}", {"v": float("nan")}),
        ("/{v:float}", {"v": float("inf")}),
        ("/{v:float}", {"v": -0.0}),
        ("/{v:uuid}", {"v": "nope"}),
        ("/{v:slug}", {"v": "Not A Slug"}),
        ("/{v:date}", {"v": "2026-01-01"}),
        ("/{v:datetime}", {"v": date(2026, 1, 1)}),
    ],
)
def test_a_path_that_would_not_lead_back_is_not_built(raw: str, params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no path for"):
        Template.parse(raw).build(params)


def test_an_unknown_name_suggests_the_near_one() -> None:
    names = Names([("users.show", Template.parse("/a")), ("users.show", Template.parse("/b"))])
    assert names.url_for("users.show") == "/a"
    with pytest.raises(UnknownRoute, match=r"did you mean 'users\.show'"):
        names.url_for("user.show")
    with pytest.raises(ValueError, match="no route is named"):
        Names().url_for("x")


def test_a_uuid_given_as_text_is_taken() -> None:
    number = UUID(int=7)
    assert Template.parse("/{v:uuid}").build({"v": str(number)}) == f"/{number}"


class Hex(Convertor[int]):
    regex = "[0-9a-f]+"

    def convert(self, value: str) -> int:
        return int(value, 16)

    def to_string(self, value: int) -> str:
        return format(value, "x")


@pytest.mark.parametrize(
    ("key", "change", "says"),
    [
        ("no name", {}, "identifier"),
        ("hex", {"regex": "("}, "no pattern"),
        ("hex", {"regex": "(a)"}, r"\(\?:"),
    ],
)
def test_a_converter_that_cannot_work_is_refused(
    key: str, change: dict[str, str], says: str
) -> None:
    convertor = type("Broken", (Hex,), change)()
    with pytest.raises(ValueError, match=says):
        register_url_convertor(key, convertor)


def test_a_converter_without_its_methods_is_refused() -> None:
    with pytest.raises(TypeError, match="has no regex"):
        register_url_convertor("odd", object())  # type: ignore[arg-type]


def test_moments_keep_their_offset() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert Template.parse("/{v:datetime}").build({"v": moment}) == "/2026-01-02T03:04:05+00:00"

"""Several values under one name; plain access gives the last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.asgi.errors import NulInQuery, TooManyQueryFields
from nexios.adapters.asgi.multidict import ImmutableMultiDict, MultiDict, QueryParams


def test_the_last_value_by_name_and_all_by_getlist() -> None:
    values = ImmutableMultiDict([("a", 1), ("b", 2), ("a", 3)])
    assert values["a"] == 3
    assert values.getlist("a") == [1, 3]
    assert values.getlist("x") == []
    assert values.get("x", 9) == 9
    assert list(values) == ["a", "b"]
    assert dict(values.items()) == {"a": 3, "b": 2}
    assert values.multi_items() == [("a", 1), ("b", 2), ("a", 3)]
    with pytest.raises(KeyError):
        values["x"]


def test_a_copy_keeps_every_value_and_equality_ignores_order() -> None:
    values = ImmutableMultiDict([("a", 1), ("a", 2)])
    assert MultiDict(values).getlist("a") == [1, 2]
    assert values == ImmutableMultiDict([("a", 2), ("a", 1)])
    assert values != ImmutableMultiDict([("a", 2)])
    assert values == {"a": 2}


def test_changing() -> None:
    values = MultiDict([("a", 1), ("b", 2), ("a", 3)])
    values.append("b", 4)
    assert (values["b"], values.getlist("b")) == (4, [2, 4])
    values["a"] = 9
    assert values.getlist("a") == [9]
    values.update([("c", 1), ("c", 2)])
    assert values.getlist("c") == [1, 2]
    assert values.setdefault("c", 7) == 2
    assert values.setdefault("d", 7) == 7
    assert values.pop("d") == 7
    assert values.pop("d", 0) == 0
    assert values.poplist("c") == [1, 2]
    assert values.poplist("c") == []
    values.setlist("b", [])
    assert "b" not in values
    values.clear()
    assert len(values) == 0


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"", []),
        (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        (b"a", [("a", "")]),
        (b"a=", [("a", "")]),
        (b"=1", [("", "1")]),
        (b"&&a=1&", [("a", "1")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a=x+y%20z", [("a", "x y z")]),
        (b"a=%C3%A9", [("a", "é")]),
        (b"a=\xc3\xa9", [("a", "é")]),
        (b"a=%ff", [("a", "\ufffd")]),
        (b"a=\xff", [("a", "\ufffd")]),
        (b"a=%zz%", [("a", "%zz%")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        ("a=1", [("a", "1")]),
    ],
)
def test_a_query_string_is_decoded_once(query: bytes | str, pairs: list[tuple[str, str]]) -> None:
    assert QueryParams.parse(query).multi_items() == pairs


@pytest.mark.parametrize("query", [b"a=%00", b"%00", b"b=1&a=x%00y", b"a=\x00", "a=\x00"])
def test_nul_in_a_query_is_refused(query: bytes | str) -> None:
    with pytest.raises(NulInQuery):
        QueryParams.parse(query)


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_what_is_written_is_read_back(pairs: list[tuple[str, str]]) -> None:
    clean = [
        pair
        for pair in pairs
        if not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in "".join(pair))
    ]
    assert QueryParams.parse(str(QueryParams(clean))).multi_items() == clean


@pytest.mark.parametrize(("fields", "fits"), [(3, True), (4, True), (5, False)])
def test_the_number_of_fields_is_limited(fields: int, fits: bool) -> None:
    query = "&".join(f"f{i}=1" for i in range(fields))
    if fits:
        assert len(QueryParams.parse(query, limit=4)) == fields
        return
    with pytest.raises(TooManyQueryFields):
        QueryParams.parse(query, limit=4)

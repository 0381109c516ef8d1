"""Keys: one normal form, whatever people write."""

import collections.abc
import typing
from collections.abc import Sequence
from typing import Annotated, NewType

import pytest

from nexios.container.keys import Collected, Key, collected, key_of, optional_of, show


class Cache:
    pass


class Repository(typing.Generic[typing.TypeVar("T")]):
    pass


UserId = NewType("UserId", int)


def test_annotated_metadata_of_others_does_not_change_the_key() -> None:
    assert key_of(Annotated[Cache, "doc", 3]) == Key(Cache)


def test_a_name_in_annotated_is_the_named_key() -> None:
    assert key_of(Annotated[Cache, Key("hot")]) == Key(Cache, "hot")
    assert key_of(Annotated[Annotated[Cache, Key("hot")], "doc"]) == Key(Cache, "hot")


@pytest.mark.parametrize("name", [0, "", False, None, ("a", 1)])
def test_key_name_zero_and_empty_string_are_real_names(name: object) -> None:
    named = Key(Cache, name)
    assert named.is_named
    assert named != Key(Cache)
    assert named == Key(Cache, name)


def test_names_equal_across_types_are_different_names() -> None:
    assert Key(Cache, 0) != Key(Cache, False)
    assert len({Key(Cache, 0), Key(Cache, False), Key(Cache, 0.0)}) == 3


def test_newtype_keys_are_distinct_from_their_base() -> None:
    assert Key(UserId) != Key(int)
    assert str(Key(UserId)) == "UserId"


def test_typing_and_builtin_generics_are_one_key() -> None:
    assert Key(list[Cache]) == Key(list[Cache])
    assert Key(Sequence[Cache]) == Key(collections.abc.Sequence[Cache])
    assert Key(dict[str, Cache]) == Key(dict[str, Cache])


def test_generic_classes_are_keys_by_their_arguments() -> None:
    assert Key(Repository[int]) == Key(Repository[int])
    assert Key(Repository[int]) != Key(Repository[str])
    assert str(Key(Repository[int])) == "Repository[int]"


@pytest.mark.parametrize("form", [Cache | None, Annotated[Cache | None, 1]])
def test_optional_is_told_from_its_key(form: object) -> None:
    bare, optional = optional_of(form)
    assert optional
    assert key_of(bare) == Key(Cache)


def test_optional_inside_annotated_keeps_the_name() -> None:
    bare, optional = optional_of(Annotated[Cache | None, Key("hot")])
    assert optional
    assert key_of(bare) == Key(Cache, "hot")


def test_union_of_two_is_not_optional() -> None:
    assert optional_of(Cache | int | None)[1] is False


def test_a_name_without_a_type_is_no_key() -> None:
    with pytest.raises(TypeError, match=r"Key\(TheType, 'hot'\)"):
        key_of(Key("hot"))


def test_a_value_is_no_key() -> None:
    with pytest.raises(TypeError, match="not a type"):
        key_of(3)


def test_unhashable_name_is_refused() -> None:
    with pytest.raises(TypeError, match="hashable"):
        Key(["hot"])  # type: ignore[arg-type]


def test_keys_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        Key(Cache).name = "hot"


def test_collections_tell_what_they_collect() -> None:
    assert collected(Key(list[Cache])) == (Collected.LIST, Key(Cache))
    assert collected(Key(Sequence[Cache])) == (Collected.LIST, Key(Cache))
    assert collected(Key(tuple[Cache, ...])) == (Collected.TUPLE, Key(Cache))
    assert collected(Key(dict[str, Cache])) == (Collected.DICT, Key(Cache))
    assert collected(Key(tuple[Cache, int])) is None
    assert collected(Key(list)) is None
    assert collected(Key(Cache)) is None


def test_a_class_name_with_a_line_break_prints_on_one_line() -> None:
    odd = type("A\nB\x1b[31m", (), {})
    assert show(odd) == "A?B?[31m"

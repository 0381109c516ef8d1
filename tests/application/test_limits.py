"""Limits: changed by name, and only to what they can be."""

from typing import Any

import pytest

from nexios.application.limits import Limits


def test_changes_are_taken_and_the_rest_stays() -> None:
    changed = Limits().with_({"body": None, "files": 0, "body_idle_s": 1, "multipart": 5})
    assert (changed.body, changed.files, changed.body_idle_s, changed.multipart) == (None, 0, 1, 5)
    assert changed.fields == Limits().fields


def test_an_unknown_name_is_refused_with_the_near_one() -> None:
    with pytest.raises(TypeError, match="did you mean 'multipart'"):
        Limits().with_({"multipat": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("body", -1),
        ("body", 1.5),
        ("body", "1"),
        ("files", None),
        ("files", True),
        ("body_idle_s", -0.1),
        ("body_idle_s", float("nan")),
    ],
)
def test_what_a_limit_cannot_be_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"limits.{name} cannot be"):
        Limits().with_({name: value})

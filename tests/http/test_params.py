"""Markers: what they hold, and that they explain themselves where they are left in place."""

import copy

import pytest

from nexios import Body, Cookie, Header, Path, Query
from nexios.adapters.asgi.params import MISSING, Marker


@pytest.mark.parametrize(
    ("marker", "place"),
    [
        (Query(), "query"),
        (Header(), "header"),
        (Cookie(), "cookie"),
        (Path(), "path"),
        (Body(), "body"),
    ],
)
def test_each_marker_knows_its_place_and_is_required_without_a_default(
    marker: Marker, place: str
) -> None:
    assert marker.place == place
    assert marker.default is MISSING


def test_none_is_a_default() -> None:
    assert Query(None).default is None


def test_only_given_constraints_are_kept() -> None:
    assert Query(1, ge=0, pattern="a").constraints == (("ge", 0), ("pattern", "a"))
    assert Query(1).constraints == ()


def test_with_default_keeps_everything_else() -> None:
    marker: Marker = Query(alias="q", le=5)
    assert marker.with_default(3) == Query(3, alias="q", le=5)
    assert Body(embed=True).with_default(1).embed


def test_a_marker_left_in_place_says_so_when_it_is_used() -> None:
    def handler(name: str = Header()) -> str:
        return name.upper()

    with pytest.raises(AttributeError, match="marker for a value from the header"):
        handler()


def test_markers_can_be_copied() -> None:
    assert copy.deepcopy(Query(1, ge=0)) == Query(1, ge=0)

"""The wiring is the one somebody has looked at, and the layers hold."""

from examples.shop.main import shop
from nexios import MakeConfig
from nexios.testing import assert_graph, assert_layers


def test_the_wiring_is_the_reviewed_one() -> None:
    assert_graph(shop(MakeConfig()), "golden/wiring.txt")


def test_the_imports_keep_to_their_layers() -> None:
    assert_layers("examples")

"""Backplanes and brokers leave nothing behind."""

from tests.support.leftovers import pytest_itemcollected

__all__ = ["pytest_itemcollected"]

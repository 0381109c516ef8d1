"""The browser of the other tests."""

from tests.conftest import chromium, page

__all__ = ["chromium", "page"]

"""One browser for all tests that drive one: starting it takes longer than any of them."""

from collections.abc import Iterator

import pytest

from tests.support.chromium import EXECUTABLE, Page, browsing


@pytest.fixture(scope="session")
def chromium() -> Iterator[Page]:
    """The tab of a real browser; the tests are counted as skipped where there is none."""
    if EXECUTABLE is None:
        pytest.skip("no Chromium is installed here (Debian: apt-get install chromium)")
    with browsing() as page:
        yield page


@pytest.fixture
def page(chromium: Page) -> Page:
    """The tab as a person with a wide screen and no wishes about colours has it."""
    chromium.look()
    return chromium

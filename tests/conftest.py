"""What all tests share: no example has a deadline, and one browser serves who drives one."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.chromium import EXECUTABLE, Page, browsing

# The tests run beside each other: how long an example takes says nothing of what it tests.
settings.register_profile("nexios", deadline=None)
settings.load_profile("nexios")


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

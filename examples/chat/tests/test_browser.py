"""Two people use the page with keyboard and mouse, in Debian's Chromium by way of Playwright."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.chromium import EXECUTABLE
from tests.support.running import Running, launched

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The chat, as ``nexios run`` serves it."""
    log = tmp_path_factory.mktemp("chat") / "log.txt"
    with launched("examples.chat.main:app", ROOT, log) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if EXECUTABLE is None:
        pytest.skip("no Chromium is installed here (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def enter(browser: Browser, served: Running, nick: str, room: str) -> Page:
    """Come in with a browser of one's own."""
    page = browser.new_context().new_page()
    page.goto(f"http://127.0.0.1:{served.port}/")
    page.get_by_label("Your name").fill(nick)
    page.get_by_label("Room").fill(room)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("status")).to_have_text(f"in {room} as {nick}")
    return page


def say(page: Page, text: str) -> None:
    page.get_by_label("Say").fill(text)
    page.keyboard.press("Enter")


def test_two_people_talk_and_who_comes_late_reads_what_was_said(
    browser: Browser, served: Running, tmp_path: Path
) -> None:
    ada = enter(browser, served, "Ada", "browser")
    say(ada, "hello <b>all</b>")
    posts = ada.locator("#posts li:not(.waiting)")
    expect(posts.last).to_contain_text("hello <b>all</b>")
    bob = enter(browser, served, "Bob", "browser")
    expect(bob.locator("#posts")).to_contain_text("hello <b>all</b>")  # from the history
    expect(ada.locator("#present li")).to_have_text(["Ada", "Bob"])
    say(bob, "hello Ada")
    expect(posts.last).to_contain_text("hello Ada")
    ada.screenshot(path=tmp_path / "two.png")
    assert (tmp_path / "two.png").stat().st_size > 5_000
    bob.get_by_role("button", name="Leave").click()
    expect(ada.locator("#present li")).to_have_text(["Ada"])


def test_who_was_cut_off_comes_back_and_misses_nothing(browser: Browser, served: Running) -> None:
    ada = enter(browser, served, "Ada", "resuming")
    bob = enter(browser, served, "Bob", "resuming")
    said = ada.locator("#posts li:not(.waiting)")
    before = said.count()
    ada.evaluate("chat.drop()")
    expect(ada.get_by_role("status")).to_have_class(re.compile("lost"))
    for number in range(3):
        say(bob, f"while you were away {number}")
    expect(ada.get_by_role("status")).to_contain_text("back in resuming")
    expect(said).to_have_count(before + 3)
    for number in range(3):
        expect(said.nth(before + number)).to_contain_text(f"while you were away {number}")

"""Which known word was meant."""

import pytest

from nexios.application.spelling import nearest, suggestion

KNOWN = ["debug", "cors", "secret_key", "allowed_hosts", "database_url", "server"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("debg", "debug"),
        ("DEBUG", "debug"),
        ("deubg", "debug"),
        ("cros", "cors"),
        ("cor", "cors"),
        ("corss", "cors"),
        ("secret-key", "secret_key"),
        ("secrt_ky", "secret_key"),
        ("alowed_host", "allowed_hosts"),
    ],
)
def test_a_misspelling_is_recognised(word: str, meant: str) -> None:
    assert nearest(word, KNOWN) == suggestion(word, KNOWN) == meant


@pytest.mark.parametrize(
    "word", ["core", "cars", "database", "secret", "db", "hosts", "serve_me", ""]
)
def test_another_word_is_another_word(word: str) -> None:
    assert nearest(word, KNOWN) is None


def test_a_suggestion_is_looser_and_may_be_nothing() -> None:
    assert suggestion("database", KNOWN) == "database_url"
    assert suggestion("zzzz", KNOWN) is None
    assert suggestion("x", []) is None

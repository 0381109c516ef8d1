"""What the HTTP side promises, number by number, and the tests that show it.

``http_behaviours.txt`` is the list: a number with its name, and below it the tests, or why there
is none yet. Whoever renames a test mends the list.
"""

from tests.support.behaviours import absent, behaviours, unshown

LIST = "http_behaviours.txt"
PROMISES = 175


def test_every_promise_of_the_http_side_has_a_test_or_a_reason() -> None:
    listed = behaviours(LIST)
    assert len(listed) == PROMISES
    assert unshown(listed) == []


def test_every_test_that_is_named_is_there() -> None:
    assert absent(behaviours(LIST)) == []

"""What the page of sockets and channels promises, number by number, and the tests that show it.

``realtime_behaviours.txt`` is the list, as ``http_behaviours.txt`` is.
"""

from tests.support.behaviours import absent, behaviours, unshown

LIST = "realtime_behaviours.txt"
PROMISES = 92


def test_every_promise_of_sockets_and_channels_has_a_test() -> None:
    listed = behaviours(LIST)
    assert len(listed) == PROMISES
    assert unshown(listed) == []
    assert [one for shown in listed.values() for one in shown if "::" not in one] == []


def test_every_test_that_is_named_is_there() -> None:
    assert absent(behaviours(LIST)) == []

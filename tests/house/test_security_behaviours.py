"""What the security page promises (its section 11), number by number, and the tests that show it.

``security_behaviours.txt`` is the list, as ``http_behaviours.txt`` is. Of who may pass and of the
rules of browsers, 1 to 108 and 185, everything is shown but what is of the design's second stage.
"""

from tests.support.behaviours import absent, behaviours, unshown

LIST = "security_behaviours.txt"
PROMISES = 185
WHO_MAY_PASS = {*range(1, 109), 185}
SECOND_STAGE = {67, 77, 87}


def test_every_promise_of_the_security_page_has_a_test_or_a_reason() -> None:
    listed = behaviours(LIST)
    assert len(listed) == PROMISES
    assert unshown(listed) == []


def test_every_test_that_is_named_is_there() -> None:
    assert absent(behaviours(LIST)) == []


def test_who_may_pass_is_shown_as_a_whole() -> None:
    listed = behaviours(LIST)
    put_off = {number for number in WHO_MAY_PASS if any("::" not in one for one in listed[number])}
    assert put_off == SECOND_STAGE

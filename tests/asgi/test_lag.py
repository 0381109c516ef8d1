"""Whether the event loop stood still."""

from nexios.adapters.asgi.lag import LoopWatch


def test_a_loop_that_stood_still_is_not_live_for_ten_seconds() -> None:
    at = [0.0]
    watch = LoopWatch(lambda: at[0])
    watch.note(4.9)
    assert not watch.blocked
    watch.note(5.1)
    assert watch.blocked
    at[0] = 9.9
    assert watch.blocked
    at[0] = 10.0
    assert not watch.blocked

"""The law of the adaptive limit, without clock and without loop."""

import pytest

from nexios.application.overload import AdaptiveLimit, Priority

BAD, GOOD = 0.05, 0.001


def limited(running: int = 100) -> AdaptiveLimit:
    law = AdaptiveLimit(0.02)
    law.window(BAD, running)
    law.window(BAD, running)
    return law


def test_there_is_no_limit_while_the_loop_is_prompt() -> None:
    law = AdaptiveLimit(0.02)
    for _ in range(100):
        law.window(GOOD, 5000)
        assert law.limit is None
        assert law.admits(5000)


def test_two_bad_windows_in_a_row_limit_to_half_of_what_runs() -> None:
    law = AdaptiveLimit(0.02)
    for _ in range(5):
        law.window(BAD, 100)
        assert law.limit is None
        law.window(GOOD, 100)
    law.window(BAD, 100)
    law.window(BAD, 80)
    assert law.limit == 40


def test_each_bad_window_takes_three_tenths_down_to_two() -> None:
    law, seen = limited(100), []
    for _ in range(12):
        law.window(BAD, 10)
        seen.append(law.limit)
    assert seen[:4] == [35, 24, 17, 12]
    assert seen[-1] == 2


def test_a_good_window_gives_only_where_the_limit_was_reached() -> None:
    law = limited(100)
    law.window(GOOD, 10)
    assert law.limit == 50
    assert law.admits(49)
    law.window(GOOD, 50)
    assert law.limit == 51
    assert not law.admits(51)
    law.window(GOOD, 50)
    assert law.limit == 52
    big = limited(1000)
    big.admits(499)
    big.window(GOOD, 500)
    assert big.limit == 510


def test_thirty_good_windows_below_it_remove_the_limit() -> None:
    law = limited(100)
    for _ in range(29):
        law.window(GOOD, 3)
    assert law.limit == 50
    assert not law.admits(50)  # it was reached: the thirty begin anew
    for _ in range(30):
        law.window(GOOD, 3)
    assert law.limit == 51
    law.window(GOOD, 3)
    assert law.limit is None


def test_sheddable_goes_at_four_fifths_critical_never() -> None:
    law = limited(20)
    assert law.limit == 10
    assert law.admits(7, Priority.SHEDDABLE)
    assert not law.admits(8, Priority.SHEDDABLE)
    assert law.admits(9, Priority.NORMAL)
    assert not law.admits(10, Priority.NORMAL)
    assert law.admits(5000, Priority.CRITICAL)


def test_a_target_is_above_zero() -> None:
    for wrong in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="target_lag_s"):
            AdaptiveLimit(wrong)


class Worker:
    """One loop on a virtual clock: 2 ms of it and 10 ms of waiting for each request."""

    def __init__(self, law: AdaptiveLimit | None) -> None:
        self.law = law
        self.queue: list[float] = []  # when they came; nobody has looked at them yet
        self.waiting: list[tuple[float, float]] = []  # when they come back, when they came
        self.now = 0.0
        self.useful = self.late = self.refused = 0
        self._credit = 0.0

    def run(self, seconds: float, rate: float) -> None:
        until = self.now + seconds
        least, window_ends = float("inf"), self.now + 0.1
        while self.now < until:
            turn = self.now
            fresh, self.queue = self.queue, []
            for came in fresh:
                if self.law is None or self.law.admits(len(self.waiting)):
                    self.now += 0.001
                    self.waiting.append((self.now + 0.010, came))
                else:
                    self.now += 0.0002
                    self.refused += 1
            back = [one for one in self.waiting if one[0] <= self.now]
            self.waiting = [one for one in self.waiting if one[0] > self.now]
            for _, came in back:
                self.now += 0.001
                if self.now - came <= 0.250:
                    self.useful += 1
                else:
                    self.late += 1
            least = min(least, self.now - turn)
            self.now = max(self.now, turn + 0.001)
            self._credit += (self.now - turn) * rate
            self.queue += [self.now] * int(self._credit)
            self._credit %= 1
            if self.now >= window_ends:
                if self.law is not None:
                    self.law.window(least, len(self.waiting))
                least, window_ends = float("inf"), self.now + 0.1


def test_overload_keeps_most_of_the_useful_rate() -> None:
    plateau = Worker(AdaptiveLimit(0.02))
    plateau.run(10, 450)
    assert plateau.refused == 0
    unprotected, worker = Worker(None), Worker(AdaptiveLimit(0.02))
    for one in (unprotected, worker):
        one.run(6, 2000)  # what stood in line before the limit was there is worked off
        one.useful = one.late = 0
        one.run(10, 2000)
    assert unprotected.useful == 0
    assert worker.useful >= 0.7 * plateau.useful
    assert worker.late == 0


def test_limit_vanishes_after_the_load() -> None:
    law = AdaptiveLimit(0.02)
    worker = Worker(law)
    worker.run(5, 2000)
    assert law.limit is not None
    worker.run(4, 200)
    assert law.limit is None
    before = worker.refused
    worker.run(5, 200)
    assert worker.refused == before

"""Rates: the arithmetic, on a clock of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.application.rates import Hit, Rate, all_or_none, network_of

RATES = st.builds(
    lambda count, period, burst: Rate(count, period, burst),
    st.integers(1, 50),
    st.sampled_from([1.0, 10.0, 60.0]),
    st.integers(1, 20),
)


@pytest.mark.parametrize(
    ("text", "count", "period"),
    [
        ("100/minute", 100, 60.0),
        ("5 / 10 seconds", 5, 10.0),
        ("1/DAY", 1, 86_400.0),
        ("3/2hours", 3, 7200.0),
    ],
)
def test_a_rate_is_read(text: str, count: int, period: float) -> None:
    assert Rate.of(text) == Rate(count, period, count)
    assert Rate.of(text, burst=7).burst == 7


@pytest.mark.parametrize(
    "text", ["", "100", "0/minute", "1/0 seconds", "-1/hour", "1/year", "a/b"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"at least 1|is no rate"):
        Rate.of(text)


@given(RATES, st.lists(st.floats(0, 5), max_size=80))
def test_never_more_than_burst_plus_rate_times_time(rate: Rate, waits: list[float]) -> None:
    known, now = 0.0, 1000.0
    passed: list[float] = []
    for wait in waits:
        now += wait
        decided = rate.decide(known, now)
        if decided.allowed:
            known = decided.known
            passed.append(now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            span = passed[last] - start
            most = rate.burst + span * rate.count / rate.period_s
            assert last - first + 1 <= most + 0.01


@given(RATES, st.integers(1, 40))
def test_refused_requests_cost_nothing_and_waiting_suffices(rate: Rate, tries: int) -> None:
    known, now = 0.0, 1000.0
    for _ in range(rate.burst):
        decided = rate.decide(known, now)
        assert decided.allowed
        known = decided.known
    for _ in range(tries):
        refused = rate.decide(known, now)
        assert not refused.allowed
        assert refused.known == known
        assert refused.remaining == 0
    assert rate.decide(known, now + refused.retry_after_s).allowed


def test_all_or_none_across_several_rates() -> None:
    wide, narrow = Hit("a", Rate.of("10/minute")), Hit("b", Rate.of("1/minute"))
    first = all_or_none([wide, narrow], [0.0, 0.0], 100.0)
    assert [one.allowed for one in first] == [True, True]
    known = [one.known for one in first]
    second = all_or_none([wide, narrow], known, 100.0)
    assert [one.allowed for one in second] == [True, False]
    assert [one.known for one in second] == known
    assert second[0].remaining == 9


def test_a_million_keys_stay_within_bounds() -> None:
    now = [0.0]
    store = MemoryCounters(kept=1000, clock=lambda: now[0])
    rate = Rate.of("2/minute")
    for number in range(20_000):
        assert store.hit_now([Hit(f"k{number}", rate)])[0].allowed
    assert len(store._known) == 1000
    kept = [Hit("k19999", rate)]
    assert store.hit_now(kept)[0].allowed
    assert not store.hit_now(kept)[0].allowed


@pytest.mark.parametrize(
    ("address", "counts"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_who_counts_for_an_address(address: str, counts: str) -> None:
    assert network_of(address) == counts


def test_what_is_left_is_told_right_when_one_that_costs_too_much_is_refused() -> None:
    for count in range(1, 50):
        rate = Rate(count, 3600.0, count)
        refused = rate.decide(0.0, 1_700_000_000.123, count + 1)
        assert (refused.allowed, refused.remaining) == (False, count)

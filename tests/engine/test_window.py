"""A run for an instant or a day gives each job one window, by its cadence; and no job gets one that it cannot do."""

from datetime import UTC, date, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.cadence import Cadence
from jobs.engine.window import HOUR, STEPS, NotATime, Window, WrongWindow, check, day_or_instant, requested, window_for

CADENCES: tuple[Cadence, ...] = get_args(Cadence)
SUNDAY = date(2026, 1, 18)
NOW = datetime(2026, 1, 18, 10, 37, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.timezones())


def test_hours_are_a_window_whose_parts_have_gaps_between_them() -> None:
    ten, noon = datetime(2026, 1, 18, 10, tzinfo=UTC), datetime(2026, 1, 18, 12, tzinfo=UTC)
    assert Window.of_hours([ten + HOUR, ten, ten]) == Window(ten, noon) and Window(ten, noon).spans == (
        Window(ten, noon),
    )
    late = Window.of_hours([noon + HOUR, ten])
    assert (late.start, late.end) == (ten, noon + 2 * HOUR)
    assert [str(part) for part in late.spans] == [
        "[2026-01-18T10:00, 2026-01-18T11:00)",
        "[2026-01-18T13:00, 2026-01-18T14:00)",
    ]


@given(first=st.dates(date(1970, 1, 1), date(2200, 1, 1)), days=st.integers(0, 4000))
def test_a_window_is_half_open_and_ends_with_its_day(first: date, days: int) -> None:
    last = date.fromordinal(first.toordinal() + days)
    window = Window.of_days(first, last)
    assert window.day == last and window.start.date() == first
    assert (window.end - window.start).days == days + 1
    assert window.start.tzinfo is UTC


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="in order"):
        Window(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("every", "window"),
    [
        ("5min", "[2026-01-18T09:55, 2026-01-18T10:00)"),
        ("hour", "[2026-01-18T09:00, 2026-01-18T10:00)"),
        ("day", "[2026-01-18T00:00, 2026-01-19T00:00)"),
        ("night", "[2026-01-18T00:00, 2026-01-19T00:00)"),
    ],
)
def test_a_run_for_an_instant_gives_a_job_the_step_of_its_cadence_that_holds_it(every: Cadence, window: str) -> None:
    assert str(window_for(every, day_or_instant("2026-01-18T11:57:30+02:00"))) == window


@given(every=st.sampled_from(CADENCES), at=INSTANTS)
def test_every_instant_is_in_its_window_and_the_start_of_a_window_is_in_the_same(every: Cadence, at: datetime) -> None:
    window = window_for(every, at)
    assert window.start <= at < window.end == window.start + STEPS[every].length
    assert window_for(every, window.start) == window
    check("sim.noop", every, window, at)


@pytest.mark.parametrize("every", CADENCES)
def test_a_run_for_a_day_gives_every_job_that_day(every: Cadence) -> None:
    window = window_for(every, SUNDAY)
    assert window == Window.of_day(SUNDAY)
    check("sim.noop", every, window, window.end)


def test_a_day_that_goes_on_is_refused_for_its_hours_only() -> None:
    for every in ("5min", "day", "night"):
        check("sim.noop", every, window_for(every, SUNDAY), NOW)
    with pytest.raises(WrongWindow, match="whole hours is not here yet. It is 2026-01-18 10:37"):
        check("sim.noop", "hour", window_for("hour", SUNDAY), NOW)


def test_from_one_time_to_another_a_day_is_its_midnight_and_the_end_is_not_included() -> None:
    assert window_for("day", date(2026, 1, 5), SUNDAY) == Window.of_days(date(2026, 1, 5), date(2026, 1, 17))
    window = window_for("hour", SUNDAY, datetime(2026, 1, 18, 9, tzinfo=UTC))
    assert str(window) == "[2026-01-18T00:00, 2026-01-18T09:00)"
    with pytest.raises(WrongWindow, match="not included"):
        window_for("day", SUNDAY, SUNDAY)


def test_a_part_of_an_hour_or_a_day_is_refused_and_the_whole_ones_are_named() -> None:
    part = window_for("hour", datetime(2026, 1, 17, 8, 30, tzinfo=UTC), datetime(2026, 1, 17, 8, 55, tzinfo=UTC))
    check("sim.noop", "5min", part, NOW)
    with pytest.raises(WrongWindow, match="works on whole hours .* --start 2026-01-17T08:00Z --end 2026-01-17T09:00Z"):
        check("sim.noop", "hour", part, NOW)
    with pytest.raises(WrongWindow, match="works on whole days .* --start 2026-01-17 --end 2026-01-18"):
        check("sim.noop", "day", part, NOW)


def test_a_night_job_gets_one_night() -> None:
    with pytest.raises(WrongWindow, match=r"sim\.noop works on one night .*--date 2026-01-18"):
        check("sim.noop", "night", window_for("night", date(2026, 1, 16), date(2026, 1, 19)), NOW)


@pytest.mark.parametrize("every", CADENCES)
def test_what_has_not_begun_is_refused(every: Cadence) -> None:
    going_on = window_for(every, NOW)
    check("sim.noop", every, going_on, NOW)
    for future in (Window(going_on.end, going_on.end + STEPS[every].length), Window.of_days(SUNDAY, date(2026, 1, 22))):
        with pytest.raises(WrongWindow, match="not here yet"):
            check("sim.noop", every, future, NOW)


@pytest.mark.parametrize("text", ["yesterday", "2026-01-32", "2026-01-31T25:00Z", "", "2026-01-31 at nine"])
def test_what_is_no_time_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(NotATime, match="write it as 2026-01-31 or as 2026-01-31T09:00Z"):
        day_or_instant(text)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(NotATime, match="has no time zone; write it as 2026-01-31T09:00Z"):
        day_or_instant("2026-01-31T09:00")


def test_options_ask_by_a_date_or_by_start_and_end_and_never_by_both() -> None:
    end = date(2026, 1, 19)
    assert requested("day", None, None, None) is None
    assert requested("day", SUNDAY, None, None) == requested("day", None, SUNDAY, end) == Window.of_day(SUNDAY)
    for wrong in ((SUNDAY, SUNDAY, end), (None, SUNDAY, None), (SUNDAY, None, end), (None, None, end)):
        with pytest.raises(WrongWindow, match="--date alone, or by both --start and --end"):
            requested("day", *wrong)

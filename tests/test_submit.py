"""What an orchestrator writes into the arguments becomes the window of the job."""

from dataclasses import replace

import pytest

from jobs import submit
from jobs.engine.job import Job
from jobs.engine.window import NotATime
from jobs.pipeline import JOBS


@pytest.mark.parametrize(
    ("arguments", "window"),
    [
        ("--date 2026-01-18T09:02:00+00:00", "[2026-01-18T09:00, 2026-01-18T10:00)"),
        ("--date 2026-01-18", "[2026-01-18T00:00, 2026-01-19T00:00)"),
        ("--start 2026-01-18T09:00Z --end 2026-01-18T12:00Z", "[2026-01-18T09:00, 2026-01-18T12:00)"),
    ],
)
def test_an_hourly_job_gets_its_hour_a_day_or_what_was_asked_for(
    noop: Job, monkeypatch: pytest.MonkeyPatch, arguments: str, window: str
) -> None:
    monkeypatch.setitem(JOBS, "sim.noop", replace(noop, every="hour"))
    job, given = submit.asked(["--job", "sim.noop", *arguments.split()])
    assert (job.name, str(given)) == ("sim.noop", window)


def test_without_a_window_or_with_half_an_instant_nothing_starts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        submit.asked(["--job", "features.users"])
    assert "it needs --date, or --start and --end" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        submit.main([])
    assert "required: --job" in capsys.readouterr().err
    with pytest.raises(NotATime, match="no time zone"):
        submit.asked(["--job", "features.users", "--date", "2026-01-18T09:00"])

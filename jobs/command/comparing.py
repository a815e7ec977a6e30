"""What is compared on viewers and what came of it, as a terminal shows it.

Belongs here: `reelmill arms`. The figures: jobs/feeds/compare.py. The page: jobs/evaluation/arms_page.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import data_contracts
from jobs.command.console import print_json, say, table
from jobs.engine.query import exists, query
from jobs.errors import LastingError
from jobs.feeds.arms import CONTROL, Comparison, comparison_of
from jobs.feeds.compare import ARMS, METRICS
from jobs.settings import Settings


class NothingCompared(LastingError):
    """No comparison, or none of that name, has a day on which all has followed."""


@dataclass(frozen=True)
class Days:
    """A comparison, and from when to when gold.arm_daily has days of it."""

    name: str
    first: date
    last: date


def listed(settings: Settings, as_json: bool) -> None:
    """The declared arms, and every comparison with its days, the newest first."""
    declared, there = comparison_of(settings), _compared(settings)
    if as_json:
        return print_json({"declared": _arms(declared) if declared else None, "comparisons": list(map(asdict, there))})
    if declared:
        say(f"compared in the feeds that are made from now on: {declared.name}")
        cells = [tuple(map(str, arm.values())) for arm in _arms(declared)["arms"]]
        table(("arm", "share", "policy", "ordered by", "why"), cells, right=(1,))
    else:
        say("everybody's feed is made alike: REELMILL_ARMS names no file of arms")
    if there:
        table(("comparison", "from", "to"), [(one.name, str(one.first), str(one.last)) for one in there])


def found(settings: Settings, name: str | None) -> Days:
    """The comparison of that name, the newest if none is named. Raises NothingCompared."""
    there = _compared(settings)
    for one in there:
        if name in (None, one.name):
            return one
    raise NothingCompared(
        f"gold.arm_daily has no day of {name or 'any comparison'} (it has "
        f"{', '.join(one.name for one in there) or 'none'}). A day appears two nights later, when nothing follows on "
        "it any more; `reelmill arms list` says what is compared."
    )


def shown(one: Days, rows: Sequence[dict[str, Any]], settings: Settings, to: Path | None, as_json: bool) -> None:
    """What each arm came to, and a page with pictures of it."""
    from jobs.evaluation import arms_page

    if to is not None:
        arms_page.write(one.name, rows, arms_page.daily(one.name, settings), to)
    if as_json:
        return print_json({**asdict(one), "rows": list(rows)})
    say(f"{one.name}, from {one.first} to {one.last}")
    cells = [
        (row["feed_arm"], f"{row['viewers']:,}", f"{row['viewers_seen']:,}")
        for row in rows
        if row["metric"] == next(iter(METRICS))
    ]
    table(("arm", "viewers", "were shown something"), cells, right=(1, 2))
    control = {row["metric"]: row["value"] for row in rows if row["feed_arm"] == CONTROL}
    table(
        ("metric", "arm", "value", "control", "difference", "", "what"),
        [_beside(row, control.get(row["metric"])) for row in rows if row["feed_arm"] != CONTROL],
        right=(2, 3),
    )
    for row in rows:
        if row["mismatch"] is not None:
            say(_divided(row["mismatch"]))
    if to is not None:
        say(f"wrote {to}")


def _compared(settings: Settings) -> list[Days]:
    if not exists(ARMS, settings):
        return []
    of_days = f"SELECT comparison, min(event_date), max(event_date) FROM {ARMS} GROUP BY 1 ORDER BY 3 DESC, 1"
    return [Days(*row) for row in query(of_days, settings)[1]]


def _arms(declared: Comparison) -> dict[str, Any]:
    arms = [
        {
            "arm": arm.name,
            "share": round(arm.share, 6),
            "policy": arm.policy.version if arm.policy else "the same",
            "system": arm.system or "the same",
            "why": arm.why,
        }
        for arm in declared.arms
    ]
    return {"comparison": declared.name, "version": declared.version, "arms": arms}


def _beside(row: dict[str, Any], control: float | None) -> tuple[str, ...]:
    difference, is_clear = "too few viewers", ""
    if row["difference"] is not None:
        difference = f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"
        is_clear = "clear of zero" if row["low"] > 0 or row["high"] < 0 else ""
    value, other = ("" if one is None else f"{one:.4f}" for one in (row["value"], control))
    return row["metric"], row["feed_arm"], value, other, difference, is_clear, METRICS[row["metric"]].words


def _divided(sure: float) -> str:
    limit = data_contracts.load(ARMS).limits["mismatch"]
    if sure > limit.at_most:
        return f"the viewers do not divide as they were drawn (p = {1 - sure:.2g}). {limit.action}"
    return f"the viewers divide among the arms as they were drawn (p = {1 - sure:.2g})"

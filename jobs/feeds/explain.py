"""Why a viewer's feed of a night is what it is: sources, what the features add, and what the policy moved.

Belongs here: putting together what was proposed, how it was scored and where it went, again from the tables. How a
night does it for everybody: build.py. How it is printed: jobs/command/rankings.py.

Where chance has filled a slot (draws.py) is read from the feed: how many are drawn is a setting, and may be
another one by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.feeds.arms import comparison_of
from jobs.feeds.build import Tonight, tonight
from jobs.feeds.slots import Placed, candidates_of, placed_of
from jobs.media.status import Status
from jobs.ranking.policy import Policy
from jobs.ranking.refused import muted_of, mutes, refusals
from jobs.ranking.serving import system_of
from jobs.ranking.spacing import SLOTS

if TYPE_CHECKING:
    import pandas as pd

    from jobs.ranking.rankers.ranker import Model

FEEDS, CANDIDATES, VIDEOS, WATCHES, EVENTS = (
    "gold.feeds",
    "gold.candidates",
    "silver.videos",
    "silver.watches",
    "bronze.events",
)


class NothingToExplain(ReelmillError):
    """The viewer has no feed of that night, or nothing is left of what made it."""


@dataclass(frozen=True)
class Proposed:
    """One source's word for a video: its rank there and its score, and what it went by."""

    source: str
    rank: int
    score: float
    because: str | None


@dataclass(frozen=True)
class Part:
    """What one feature adds to the score; `value` is None where it is unknown."""

    feature: str
    value: float | None
    adds: float


@dataclass(frozen=True)
class Moved:
    """How many places a stage moved a video down, or up where it is below 0."""

    stage: str
    places: int


@dataclass(frozen=True)
class Explained:
    """One candidate: its score and the parts of it, the largest first, its place by score and the one in the feed.

    `place` and `position` count from 0; `position` is None beyond the last slot. `moved` has each stage of the policy
    that gave it another place, and how many places down that is. `propensity` is the probability by which chance has
    brought it to its slot, None where chance did not.
    """

    video_id: str
    title: str | None
    score: float
    place: int
    position: int | None
    propensity: float | None
    moved: tuple[Moved, ...]
    proposed: tuple[Proposed, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Feed:
    """A viewer's candidates of a night in the order of the feed, and what ordered them.

    What stages moved is by the present `policy` of the viewer's arm, which may be another one than that of the feed.
    """

    user_id: str
    night: date
    system: str
    policy: str
    candidates: tuple[Explained, ...]


def explain(lake: Lake, user_id: str, night: date) -> Feed:
    """All candidates of a viewer on a night, the slots of the feed first. Raises NothingToExplain."""
    window = Window.of_day(night)
    feeds = _feeds(lake, window)
    mine = lake.of(CANDIDATES, window).where(F.col("user_id") == user_id) if lake.exists(CANDIDATES) else None
    if mine is None or mine.isEmpty():
        raise NothingToExplain(
            f"{user_id} has no feed of {night}: nothing was proposed to them, so the endpoint gives them the fallback. "
            "Whoever never watched anything has no candidates; another night is named with --night."
        )
    slots = feeds.where(F.col("user_id") == user_id).collect()
    # Whoever has candidates has a feed, unless its slots were set aside.
    made = slots[0] if slots else feeds.first()
    assert made is not None
    arms = _policy(lake, made)
    known = tonight(lake, mine, window.end, arms.needs if arms else frozenset())
    known = replace(known, policy=arms or known.policy)
    found = _explained(known, mine, _load(lake, made["model_version"]), {slot["video_id"]: slot for slot in slots})
    return Feed(user_id, night, made["model_version"], known.policy.version, tuple(found))


def why_not(lake: Lake, user_id: str, video_id: str, night: date) -> str:
    """Why a video was not proposed to a viewer on a night: what forbade it, or that no source found it."""
    at = Window.of_day(night).end
    video = lake.read(VIDEOS).where(F.col("video_id") == video_id).first()
    if video is None:
        return f"there is no video {video_id}"
    if video["status"] != Status.PUBLISHED:
        return f"{video_id} is not published: its status is {video['status']}"
    of_both = (F.col("user_id") == user_id) & (F.col("video_id") == video_id)
    if lake.read(VIDEOS, until=at).where(F.col("video_id") == video_id).isEmpty():
        return f"{video_id} was published after that night"
    if video["user_id"] == user_id:
        return f"{user_id} made {video_id}"
    if lake.exists(WATCHES) and not lake.read(WATCHES, until=at).where(of_both).isEmpty():
        return f"{user_id} had watched {video_id} before"
    if lake.exists(EVENTS) and not refusals(lake.read(EVENTS, until=at)).where(of_both).isEmpty():
        return f"{user_id} had said that {video_id} does not interest them, or had reported it"
    if lake.exists(EVENTS) and _is_muted(lake, user_id, video_id, at):
        return f"{user_id} had muted its creator, or one of its hashtags"
    return f"no source had {video_id} among its best for {user_id}"


def _is_muted(lake: Lake, user_id: str, video_id: str, at: datetime) -> bool:
    slot = frame_of(lake.spark, "user_id string, video_id string", [(user_id, video_id)])
    theirs = mutes(lake.read(EVENTS, until=at)).where(F.col("user_id") == user_id)
    return not muted_of(slot, theirs, lake.read(VIDEOS).withColumnRenamed("user_id", "creator")).isEmpty()


def _feeds(lake: Lake, window: Window) -> DataFrame:
    """The feeds of the night. Raises NothingToExplain where there are none."""
    feeds = lake.of(FEEDS, window) if lake.exists(FEEDS) else None
    if feeds is None or feeds.isEmpty():
        raise NothingToExplain(
            f"There are no feeds of {window.day}. `reelmill pipeline nightly` makes those of a night."
        )
    return feeds


def _policy(lake: Lake, slot: Row) -> Policy | None:
    """The present policy of the arm that the slot is of; None where that is the policy of all others."""
    comparison = comparison_of(lake.settings)
    if comparison is None or slot["comparison"] != comparison.name:
        return None
    return next((arm.policy for arm in comparison.arms if arm.name == slot["feed_arm"]), None)


def _load(lake: Lake, system: str) -> Model:
    """What ordered the feeds, ready to score. Raises NothingToExplain when this code has it no more."""
    found = system_of(lake, system)
    if found is None:
        raise NothingToExplain(f"{system} ordered the feeds of that night, and there is no such model any more.")
    return found.load()


def _explained(known: Tonight, mine: DataFrame, system: Model, shown: Mapping[str, Row]) -> list[Explained]:
    """All candidates: what is in a slot by its position, then the others as they would follow."""
    made = candidates_of(known.said.toArrow(), known.catalogue, known.columns)
    placed = placed_of(made, known.catalogue, known.columns, system, known.policy)
    parts, said = system.contributions(made.frame), _proposed(mine)
    found = []
    for row in np.argsort(placed.position):
        video_id = known.catalogue.videos[made.video[row]].as_py()
        slot = shown.get(video_id)
        found.append(
            Explained(
                video_id=video_id,
                title=known.catalogue.titles[made.video[row]].as_py(),
                score=float(placed.scores[row]),
                place=int(placed.place[row]),
                position=slot["position"] if slot else None,
                propensity=slot["propensity"] if slot else None,
                moved=_moved(placed, int(row)),
                proposed=said[video_id],
                parts=_parts(made.frame.iloc[row], parts.iloc[row]),
            )
        )
    return sorted(found, key=lambda one: SLOTS if one.position is None else one.position)


def _moved(placed: Placed, row: int) -> tuple[Moved, ...]:
    """The stages that gave a candidate another place."""
    steps, before = [], placed.place[row]
    for stage, places in placed.after.items():
        steps.append(Moved(stage, int(places[row] - before)))
        before = places[row]
    return tuple(step for step in steps if step.places)


def _proposed(mine: DataFrame) -> dict[str, tuple[Proposed, ...]]:
    """By video, what each source said of it, the best rank first."""
    said: dict[str, list[Proposed]] = {}
    for row in mine.orderBy("rank", "source").collect():
        said.setdefault(row["video_id"], []).append(Proposed(row["source"], row["rank"], row["score"], row["because"]))
    return {video: tuple(words) for video, words in said.items()}


def _parts(row: pd.Series[Any], added: pd.Series[Any]) -> tuple[Part, ...]:
    """What adds anything, the largest first."""
    adds = added[added != 0]
    order = adds.abs().sort_values(ascending=False, kind="stable").index
    return tuple(Part(str(name), _number(row.get(name)), float(adds[name])) for name in order)


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)

"""What a new model may not narrow or cost, whatever it gains: measures of all lists of a system, and their limits.

Belongs here: the guards, each with its limit and the reason for it, and how they are measured. Who is held to them and
when: gate.py. The lists: judge.py. What they are looked at by: guard_facts.py.

Calibration is that of a list with its viewer (Steck, "Calibrated recommendations", RecSys 2018): whether hashtags have
the shares in it that they have in what the viewer watched. It is the sum over hashtags of the smaller share, 1 where
both are alike and 0 where they have nothing in common. Scores promise nothing that could be calibrated: only their
order is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.guard_facts import GuardFacts, Topics
from jobs.ranking.sources.fresh import FRESH_VIEWERS
from jobs.ranking.sources.walk import by_rows

if TYPE_CHECKING:
    import pandas as pd

# What is decided is what is written down, and BLAS differs beyond from one machine to the next.
DECIMALS = 5
VIEWERS_TOTAL = "video__viewers_total"
# A new model has at least this part of each share of what it would replace: what it narrows beyond that no feedback of
# viewers brings back, since nobody sees what is not shown. Half is far beyond the noise of 100 viewers with ten slots.
KEPT = 0.5
# What scoring may cost is counted and not timed, or a busy machine would decide what serves, and a night that is
# repeated would have another record. 400 trees of 15 leaves take .9 million steps for 300 candidates, 6 ms of a slow
# core: so 2 million are some four hours of one core for a million viewers, about what a night can spare.
MOST_STEPS = 2_000_000


class Guarded(NamedTuple):
    """What all lists of a system show in their first slots, and what it takes to score them.

    `coverage`: the share of published videos that have a slot; then shares of slots: those of new videos, and those of
    small creators. `calibration` is a mean over lists, None where no hashtag is known. `scoring_steps`: of the
    candidates of a moment, the 99th percentile. The record has no number where a guard is younger than it.
    """

    coverage: float
    new_share: float
    small_share: float | None
    calibration: float | None
    scoring_steps: int | None


# Shares of which a new model keeps KEPT, in the words of people.
SHARES: Final = {
    "coverage": "different videos",
    "new_share": "slots of new videos",
    "small_share": "slots of small creators",
    "calibration": "agreement with what viewers watched before (calibration)",
}
RULE: Final = (
    f"guards: a new model keeps {KEPT:.0%} of each share of what it would replace ({', '.join(SHARES.values())}), "
    f"and scores the candidates of 99 of 100 moments in at most {MOST_STEPS:,} steps"
)


def broken(mine: Guarded, theirs: Guarded, other: str) -> str | None:
    """Which guard a new model breaks that would replace the `other`; None if none."""
    for name, words in SHARES.items():
        own, replaced = getattr(mine, name), getattr(theirs, name)
        if own is not None and replaced is not None and own < KEPT * replaced:
            return f"breaks the guard on {words}: {own:.4f}, and {other} has {replaced:.4f}"
    if (mine.scoring_steps or 0) > MOST_STEPS:
        return f"breaks the guard on the cost of scoring: {mine.scoring_steps:,} steps, more than {MOST_STEPS:,}"
    return None


def measured(
    shown: pd.DataFrame, lists: NDArray[np.int64], candidates: NDArray[np.int64], steps: int, facts: GuardFacts
) -> Guarded:
    """Of the rows `shown` in the first slots, and the list of each; of all lists how many `candidates` were scored.

    Scoring a candidate takes at most so many `steps`.
    """
    few = shown[VIEWERS_TOTAL].fillna(0).to_numpy() < FRESH_VIEWERS
    small = shown["video_id"].map(facts.creators).isin(facts.small).to_numpy()
    return Guarded(
        coverage=round(shown["video_id"].nunique() / max(len(facts.creators), 1), DECIMALS),
        new_share=_share(few),
        small_share=_share(small),
        calibration=_calibration(shown, lists, facts.topics) if facts.topics else None,
        scoring_steps=int(np.percentile(candidates * steps, 99, method="higher")) if len(candidates) else 0,
    )


def _share(of_slots: NDArray[np.bool_]) -> float:
    return round(float(of_slots.mean()), DECIMALS) if len(of_slots) else 0.0


def _calibration(shown: pd.DataFrame, lists: NDArray[np.int64], topics: Topics) -> float | None:
    """The mean over the lists of viewers of whom a hashtag is known."""
    from scipy.sparse import csr_matrix

    every, first, row = np.unique(lists, return_index=True, return_inverse=True)
    viewer = topics.viewers.get_indexer(shown["user_id"].to_numpy()[first])
    video = topics.videos.get_indexer(shown["video_id"])
    kept = video >= 0
    slots = csr_matrix((np.ones(kept.sum()), (row[kept], video[kept])), shape=(len(every), len(topics.videos)))
    liked = topics.of_viewers[viewer[viewer >= 0]]
    alike = np.asarray(liked.minimum(by_rows(slots @ topics.of_videos)[viewer >= 0]).sum(axis=1)).ravel()
    told = np.asarray(liked.sum(axis=1)).ravel() > 0
    return round(float(alike[told].mean()), DECIMALS) if told.any() else None

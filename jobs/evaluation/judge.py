"""Judges finished rankings by the test file.

Belongs here: reading the test file, and what is measured on it. `judge` takes rankings that are arrays already, so
nothing here can lead back to what made them; a test leaves the file out until they are there. The measures: metrics.py.

Everybody with test pairs is judged. Who is in neither the training nor the validation file gets the list of a stranger.
A test pair that is a training pair too counts as a positive that no list can hold; how many there are is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.data import numbers
from jobs.evaluation.files import Pairs, read_pairs
from jobs.evaluation.metrics import PER_VIEWER, coverage, gini, per_viewer, surprise_of
from jobs.ranking.intervals import Bootstrap, Interval

# Where the curves of the page have a point, as far as the lists reach.
CURVE = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50)
# History lengths and audiences, from ... up to the next.
HISTORIES = (0, 1, 5, 10, 20, 50, 100)
AUDIENCES = (0, 1, 10, 30, 100, 300, 1000)
AGES_D = (0, 7, 30, 90, 365, 3650)
STRANGER_ROW = 0


@dataclass(frozen=True)
class Finished:
    """All that is judged: each system's list for every viewer, and what the training file says of viewers and videos.

    Lists are viewers x places, video numbers, -1 where one has ended. Viewer 0 is the stranger. `age_d` is None without
    times, NaN for a video that nobody had watched.
    """

    viewers: NDArray[np.object_]
    videos: NDArray[np.object_]
    history: NDArray[np.int64]
    audience: NDArray[np.int64]
    age_d: NDArray[np.float64] | None
    train_keys: NDArray[np.int64]  # viewer * videos + video, sorted
    lists: dict[str, NDArray[np.int32]]


@dataclass(frozen=True)
class Part:
    """A system on a part of the viewers or of the positives: how many there are, and the figures on them."""

    label: str
    count: int
    metrics: dict[str, Interval]


@dataclass(frozen=True)
class Verdict:
    """One system: `ndcg@10` and the like, its curves, the parts, and against others by paired differences."""

    metrics: dict[str, Interval]
    curves: dict[str, list[tuple[int, float]]]
    by_history: list[Part]
    by_audience: list[Part]
    by_age: list[Part]


@dataclass(frozen=True)
class Judged:
    """The verdicts, and on whom they rest."""

    verdicts: dict[str, Verdict]
    viewers: int
    strangers: int  # of the viewers, those without a training pair
    pairs: int
    unreachable: int  # of the pairs, those that are training pairs or whose video nothing else names
    differences: dict[tuple[str, str, str], Interval]  # (system, system, metric): the first less the second


def judge(
    finished: Finished,
    test: Path,
    ks: tuple[int, ...],
    seed: int,
    rivals: tuple[str, ...] = (),
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Judged:
    """Read the test file, once, and judge every system; those named `rivals` are compared with all others in pairs."""
    truth = _truth(finished, read_pairs(test))
    draws = Bootstrap(len(truth.positives), seed)
    verdicts: dict[str, Verdict] = {}
    tables: dict[str, NDArray[np.float64]] = {}
    for done, (name, lists) in enumerate(finished.lists.items()):
        tell(done, len(finished.lists))
        verdicts[name], tables[name] = _verdict(finished, lists, truth, draws, ks)
    columns = [f"{metric}@{k}" for k in ks for metric in PER_VIEWER]
    differences = {
        (one, other, column): interval
        for one in rivals
        for other in verdicts
        if other != one
        for column, interval in zip(columns, draws.means(tables[one] - tables[other]), strict=True)
    }
    return Judged(
        verdicts=verdicts,
        viewers=len(truth.positives),
        strangers=int((finished.history[truth.row] == 0).sum()),
        pairs=len(truth.owner),
        unreachable=_unreachable(finished, truth),
        differences=differences,
    )


@dataclass(frozen=True)
class _Truth:
    """The judged viewers in the order of their ids, and their positives, each pair once.

    `row` is the list that a viewer gets; `owner` and `video` are the viewer (by place) and the video of each positive,
    -1 where nothing but the test file names it.
    """

    row: NDArray[np.int64]
    positives: NDArray[np.int64]
    owner: NDArray[np.int64]
    video: NDArray[np.int64]


def _truth(finished: Finished, pairs: Pairs) -> _Truth:
    import pandas as pd
    import pyarrow as pa

    once = pd.DataFrame({"user": pairs.users.to_pandas(), "video": pairs.videos.to_pandas()}).drop_duplicates()
    once = once.sort_values(["user", "video"])
    who, owner = np.unique(once["user"].to_numpy(dtype=object), return_inverse=True)
    row = np.maximum(numbers(pa.array(who, type=pa.string()), finished.viewers), STRANGER_ROW)
    video = numbers(pa.array(once["video"], type=pa.string()), finished.videos)
    return _Truth(row, np.bincount(owner), owner, video)


def _unreachable(finished: Finished, truth: _Truth) -> int:
    key = truth.row[truth.owner] * len(finished.videos) + truth.video
    return int((np.isin(key, finished.train_keys) | (truth.video < 0)).sum())


def _verdict(
    finished: Finished, lists: NDArray[np.int32], truth: _Truth, draws: Bootstrap, ks: tuple[int, ...]
) -> tuple[Verdict, NDArray[np.float64]]:
    """One system's verdict, and its numbers per viewer: a column for each metric and k."""
    shown = lists[truth.row]
    many = len(finished.videos)
    places = np.arange(len(shown))[:, None]
    key = truth.owner * many + truth.video
    key = np.sort(key[truth.video >= 0])
    hits = np.isin(places * many + shown, key) & (shown >= 0)
    bits = surprise_of(finished.audience, int((finished.history > 0).sum()))
    surprise = np.where(shown >= 0, bits[shown], np.nan)
    columns = [per_viewer(hits, truth.positives, surprise, k) for k in ks]
    table = np.concatenate(columns, axis=1)
    names = [f"{metric}@{k}" for k in ks for metric in PER_VIEWER]
    metrics = dict(zip(names, draws.means(table), strict=True))
    for k in ks:
        metrics |= _of_all_lists(shown[:, :k], many, k, draws)
    curve: dict[str, list[tuple[int, float]]] = {"ndcg": [], "recall": []}
    for k in (k for k in CURVE if k <= shown.shape[1]):
        values = per_viewer(hits, truth.positives, surprise, k).mean(axis=0)
        for metric, points in curve.items():
            points.append((k, float(values[PER_VIEWER.index(metric)])))
    k = max(ks)
    within = _found(truth, hits[:, :k], shown[:, :k], many)
    verdict = Verdict(
        metrics,
        curve,
        _by_history(finished.history[truth.row], table, names, draws),
        _by_video(finished.audience.astype(np.float64), AUDIENCES, truth, within, draws, k),
        [] if finished.age_d is None else _by_video(finished.age_d, AGES_D, truth, within, draws, k),
    )
    return verdict, table


def _of_all_lists(shown: NDArray[np.int32], many: int, k: int, draws: Bootstrap) -> dict[str, Interval]:
    """Coverage and Gini of what all judged viewers are shown."""
    filled = shown >= 0
    videos, owner = shown[filled], np.nonzero(filled)[0]
    measures = {"coverage": coverage, "gini": gini}
    exposures: NDArray[np.float64] = np.bincount(videos, minlength=many).astype(np.float64)
    again = [np.bincount(videos, drawn[owner].astype(np.float64), many).astype(np.float64) for drawn in draws.some()]
    return {
        f"{name}@{k}": draws.recounted(measure(exposures), [measure(one) for one in again])
        for name, measure in measures.items()
    }


def _found(truth: _Truth, hits: NDArray[np.bool_], shown: NDArray[np.int32], many: int) -> NDArray[np.bool_]:
    """Whether each positive stands in its viewer's list."""
    place, slot = np.nonzero(hits)
    found: NDArray[np.bool_] = np.isin(truth.owner * many + truth.video, place * many + shown[place, slot])
    return found & (truth.video >= 0)


def _by_history(
    history: NDArray[np.int64], table: NDArray[np.float64], names: list[str], draws: Bootstrap
) -> list[Part]:
    parts = []
    for label, chosen in _bins(history.astype(np.float64), HISTORIES):
        inside = chosen.astype(np.float64)
        figures = draws.ratios(table * inside[:, None], inside)
        parts.append(Part(label, int(chosen.sum()), dict(zip(names, figures, strict=True))))
    return parts


def _by_video(
    of_video: NDArray[np.float64],
    bounds: tuple[int, ...],
    truth: _Truth,
    found: NDArray[np.bool_],
    draws: Bootstrap,
    k: int,
) -> list[Part]:
    """The share of the positives of each kind of video that was found. A video that nothing names has no kind."""
    named = truth.video >= 0
    value = np.where(named, of_video[truth.video], np.nan)
    people = len(truth.row)
    parts = []
    for label, chosen in _bins(value, bounds):
        positives = np.bincount(truth.owner[chosen], minlength=people).astype(np.float64)
        hits = np.bincount(truth.owner[chosen & found], minlength=people).astype(np.float64)
        (share,) = draws.ratios(hits[:, None], positives)
        parts.append(Part(label, int(chosen.sum()), {f"recall@{k}": share}))
    return parts


def _bins(values: NDArray[np.float64], bounds: tuple[int, ...]) -> list[tuple[str, NDArray[np.bool_]]]:
    """The parts between bounds that have anything in them, with their words; NaN is in none."""
    ends = [*bounds[1:], np.inf]
    parts = [(_label(low, high), (values >= low) & (values < high)) for low, high in zip(bounds, ends, strict=True)]
    return [(label, chosen) for label, chosen in parts if chosen.any()]


def _label(low: float, high: float) -> str:
    if high == low + 1:
        return f"{low}"
    return f"{low} and more" if high == np.inf else f"{low} to {high - 1:g}"

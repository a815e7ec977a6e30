"""The protocol of an evaluation on plain files: what learns from what, what chooses, and what is judged.

Belongs here: the order of the steps. Each step: data.py, sources.py, stack.py, choice.py, rankings.py and judge.py.

What sources choose on videos kept back, they choose on the whole training file, for all that they learn later: a few
numbers of a source, which a fifth more or less of the pairs hardly changes.

Two fits are told apart, and both are judged:
- `train`: the sources and the ranker learn from the training file. The ranker's labels are a part of each viewer's
  training pairs; its features come from sources that learned from the rest, and serve from sources that learned from
  all. The validation file only chooses.
- `train+valid`: the pairs of the validation file are labels of the ranker too, with features from sources of the
  training file, and they stop its trees. The same order then ranks what sources propose that learned from both files.

With the tower, what the first fit chooses without it stands beside: `train without tower`.

The test file is opened by the last line of `evaluate`, when every list is an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from jobs.evaluation import stack
from jobs.evaluation.baselines import BASELINES, POPULARITY
from jobs.evaluation.choice import (
    Blend,
    K,
    Strangers,
    best_of,
    by_halves,
    fitted,
    fusion,
    measure,
    measure_lists,
    names_of,
    strangers,
)
from jobs.evaluation.data import Data, Files, Watches, hashed, labels_of, load, with_valid
from jobs.evaluation.files import BadFile
from jobs.evaluation.judge import Finished, Judged, judge
from jobs.evaluation.meter import Spent, measured
from jobs.evaluation.overlap import Overlap, overlap_of
from jobs.evaluation.rankings import LENGTH, Order, alone, rank_all
from jobs.evaluation.sources import Asked, Labelled, Tell, ask, labelled
from jobs.ranking.gate import ENOUGH_VIEWERS
from jobs.ranking.sources.kept_back import Choices
from jobs.ranking.sources.popular import POPULAR
from jobs.ranking.sources.tower import TOWER

TRAIN, TRAIN_VALID, WITHOUT = "train", "train+valid", "train without tower"
REELMILL = "reelmill"
# The mean is of the places that the blend and the ranker give: of two that labels cannot tell apart, half of each.
FUSION, BLEND, RANKER, MEAN = "fusion", "blend", "ranker", "mean"
# Viewers whose labels teach or choose, at most: by the hash of the id.
TAUGHT = 10_000


@dataclass(frozen=True)
class Fit:
    """What one fit chose, by which nDCG@20 on the labels that chose, and why its ranker orders as it does."""

    name: str
    measured: dict[str, float]
    chosen: str
    importance: dict[str, float]
    blend: Blend
    folds: stack.Folds | None
    asked: Asked  # what its lists are made of


@dataclass(frozen=True)
class System:
    """One system under judgement: lists, what they were fitted on, and what they cost."""

    name: str
    fit: str
    lists: NDArray[np.int32]
    spent: Spent

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.name} ({self.fit})"


@dataclass(frozen=True)
class Chooser:
    """Labels that choose, and what is plain: the blend that was found on them, what strangers get, and all figures."""

    labels: Labelled
    blend: Blend
    blended: NDArray[np.float64]  # what blends that did not see a viewer's labels say of their candidates
    strangers: Strangers
    plain: dict[str, float]


@dataclass(frozen=True)
class Learned:
    """What was learned from the training and the validation file, and what it took."""

    asked: Asked
    strangers: Strangers
    fits: list[Fit]
    blend_spent: Spent
    fit_spent: dict[str, Spent]


@dataclass(frozen=True)
class Evaluation:
    """All that an evaluation found."""

    systems: list[System]
    judged: Judged
    fits: list[Fit]
    strangers: str  # whose lists they get who had watched nothing
    weights: dict[str, float]  # of the blend
    overlap: Overlap
    data: dict[str, Any]
    spent: Spent  # before the test file was opened
    origin: tuple[str, ...]  # in words, what the files were made from


def evaluate(
    files: Files, test: Path, ks: tuple[int, ...], seed: int, tell: Tell, origin: tuple[str, ...] = ()
) -> Evaluation:
    """Fit, choose, rank everybody, and only then open the test file."""
    if not test.is_file():
        # Said at once and not in minutes; it is not opened for that.
        raise BadFile(f"{test} is no file.")
    # Sources learn beside each other, and BLAS threads that wait for a core keep it busy: half as much processor time
    # again. Sums also hang on how many threads share them, and so would the figures on the machine.
    with measured() as spent, threadpool_limits(1, "blas"):
        data = load(files)
        learned = learn(data, tell)
        systems = rank(learned, max(LENGTH, *ks), tell)
        if files.catalogue and learned.fits[-1].name == TRAIN_VALID:
            # On a lake a day more counts for much: what learned both parts stands beside sources that did so too.
            systems += each_alone(learned.fits[-1], max(LENGTH, *ks))
    ours = {system.key: system.lists for system in systems if system.name == REELMILL}
    weights = dict(zip(names_of(learned.asked.sources), learned.fits[0].blend.weights, strict=True))
    made_of = {f"{REELMILL} ({fit.name})": fit.asked for fit in learned.fits}
    overlap = overlap_of(learned.asked, {key: (made_of[key], lists) for key, lists in ours.items()})
    finished = _finished(data, learned.asked, systems)
    judged = judge(finished, test, ks, seed, tuple(ours), partial(tell, "judging"))
    return Evaluation(
        systems, judged, learned.fits, learned.strangers.name, weights, overlap, _described(data), spent, origin
    )


def learn(data: Data, tell: Tell) -> Learned:
    """Let the sources and the rankers learn, and choose among them."""
    is_label = labels_of(data)
    pairs = _some(data, data.train.where(is_label))
    if data.valid is None and not len(pairs):
        raise BadFile("no viewer of the training file has two pairs, so nothing can choose: name a file by --valid.")
    everybody, choices = np.arange(len(data.viewers)), Choices()
    asked = ask(data, data.train, everybody, choices, _named(tell, "all"))
    # Without a validation file the labels choose too, by trees that did not see them, and among the baselines too.
    among = (POPULARITY,) if data.valid else BASELINES
    with measured() as part_spent:
        rest, labelled_viewers = data.train.where(~is_label), np.unique(pairs.viewer)
        part = ask(data, rest, labelled_viewers, choices, _named(tell, "part"), among)
    chooses, of = (_some(data, data.valid), asked) if data.valid else (pairs, part)
    with measured() as blend_spent:
        chooser = _chooser(of, chooses)
    with measured() as train_spent:
        taught = labelled(part, pairs) if data.valid else chooser.labels
        fits = [_fit(TRAIN, data, asked, (taught,), chooser, tell)]
    spent, unknown = {TRAIN: part_spent.then(train_spent)}, chooser.strangers
    if data.tower:
        with measured() as spent[WITHOUT]:
            less = _chooser(of.without(TOWER), chooses)
            taught_less = labelled(part.without(TOWER), pairs) if data.valid else less.labels
            fits.append(_fit(WITHOUT, data, asked.without(TOWER), (taught_less,), less, tell))
            del less, taught_less
    if data.valid:
        with measured() as spent[TRAIN_VALID]:
            fit = _fit(TRAIN_VALID, data, asked, (chooser.labels, taught), chooser, tell)
            del taught, chooser, part  # some hundred bytes a candidate
            both = with_valid(data)
            among = tuple(one for one in BASELINES if one is POPULARITY or one.name == fit.chosen)
            of_both = ask(both, both.train, everybody, choices, _named(tell, "both"), among)
            fits.append(replace(fit, asked=of_both))
    return Learned(asked, unknown, fits, blend_spent, spent)


def rank(learned: Learned, length: int, tell: Tell) -> list[System]:
    """Every system's list for everybody: reelmill as each fit has it, then what it chose among."""
    asked = learned.asked
    plain: list[System] = []
    ours: list[System] = []
    rankers: list[System] = []
    for fit in learned.fits:
        orders: dict[str, Order] = {FUSION: _by(fusion(fit.asked.sources)), BLEND: _by(fit.blend)}
        if fit.folds:
            orders[RANKER] = fit.folds.score
        if fit.folds and fit.chosen == MEAN:
            orders[MEAN] = _between(fit.blend, fit.folds)
        with measured() as ranking_spent:
            lists = rank_all(fit.asked, orders, length, partial(tell, f"lists ({fit.name})"))
        plainly = {name: alone(one, fit.asked.popularity, length) for name, one in fit.asked.alone.items()}
        theirs = plainly[learned.strangers.name]
        lists = {name: np.where(fit.asked.is_stranger[:, None], theirs, one) for name, one in (plainly | lists).items()}
        ranked = asked.whole.then(ranking_spent)
        whole = ranked.then(learned.blend_spent).then(learned.fit_spent[fit.name])
        ours.append(System(REELMILL, fit.name, lists[fit.chosen], whole))
        if fit.folds:
            rankers.append(System(RANKER, fit.name, lists[RANKER], whole))
        if fit.name == TRAIN:
            plain = each_alone(fit, length)
            plain.append(System(FUSION, TRAIN, lists[FUSION], ranked))
            plain.append(System(BLEND, TRAIN, lists[BLEND], ranked.then(learned.blend_spent)))
    return [*ours, *rankers, *plain]


def each_alone(fit: Fit, length: int) -> list[System]:
    """Every source's own lists for everybody."""
    asked = fit.asked
    return [
        System(name, fit.name, alone(lists, asked.popularity, length), asked.spent[name])
        for name, lists in asked.alone.items()
    ]


def _fit(
    name: str,
    data: Data,
    asked: Asked,
    taught: Sequence[Labelled],
    chooser: Chooser,
    tell: Tell,
) -> Fit:
    """Grow the ranker of a fit, and choose between it and what is plain. Too few viewers grow none."""
    plain, blend, labels = chooser.plain, chooser.blend, chooser.labels
    if len(taught[0].viewers) < ENOUGH_VIEWERS:
        return Fit(name, plain, best_of(plain), {}, blend, None, asked)
    folds = stack.learn(taught, data.viewers, fitted(taught[0]).score, partial(tell, f"ranker ({name})"))
    ranked = folds.score(labels.viewers, labels.candidates)
    orders = {RANKER: ranked, MEAN: stack.mean(chooser.blended, ranked)}
    compared = plain | {order: measure(labels, scores, chooser.strangers) for order, scores in orders.items()}
    return Fit(name, compared, best_of(compared), folds.importance(), blend, folds, asked)


def _chooser(of: Asked, chooses: Watches) -> Chooser:
    """The figures are nDCG@20 of all that is plain; strangers get the same list from all of it."""
    judging, unknown = labelled(of, chooses), strangers(of, (POPULAR.name, POPULARITY.name), chooses)
    theirs = alone(of.alone[unknown.name], of.popularity, K)
    figures: dict[str, float] = {}
    for name, lists in of.alone.items():
        own = np.where(of.is_stranger[:, None], theirs, alone(lists, of.popularity, K))
        figures[name] = measure_lists(of, own, chooses)
    figures[FUSION] = measure(judging, fusion(of.sources).score(judging.candidates), unknown)
    blended = by_halves(judging)
    figures[BLEND] = measure(judging, blended, unknown)
    return Chooser(judging, fitted(judging), blended, unknown, figures)


def _by(blend: Blend) -> Order:
    return lambda viewers, candidates: blend.score(candidates)


def _between(blend: Blend, folds: stack.Folds) -> Order:
    return lambda viewers, candidates: stack.mean(blend.score(candidates), folds.score(viewers, candidates))


def _some(data: Data, pairs: Watches) -> Watches:
    """The pairs of at most TAUGHT viewers."""
    who = np.unique(pairs.viewer)
    drawn = who[np.argsort(hashed(data.viewers)[who], kind="stable")[:TAUGHT]]
    return pairs.where(np.isin(pairs.viewer, drawn))


def _named(tell: Tell, which: str) -> Tell:
    return lambda what, done, total: tell(f"{what} ({which})", done, total)


def _finished(data: Data, asked: Asked, systems: Sequence[System]) -> Finished:
    """The lists and what the training file says, as arrays that know no more of where they come from."""
    train = data.train
    age = asked.facts.age_d
    return Finished(
        viewers=data.viewers,
        videos=data.videos,
        history=np.bincount(train.viewer, minlength=len(data.viewers)),
        audience=np.bincount(train.video, minlength=len(data.videos)),
        age_d=None if age is None else age.astype(np.float64),
        # With repeats, lists may hold training pairs.
        train_keys=np.sort(train.viewer * len(data.videos) + train.video)[: 0 if data.repeats else None],
        lists={system.key: system.lists for system in systems},
    )


def _described(data: Data) -> dict[str, Any]:
    """What was read, in figures."""
    return {
        "training_pairs": len(data.train),
        "validation_pairs": len(data.valid) if data.valid else 0,
        "training_viewers": len(np.unique(data.train.viewer)),
        "catalogue": len(data.videos),
        "ranked_videos": int(data.rankable.sum()),
        "has_times": data.has_times,
        "content_columns": sum(rows.shape[1] for rows in data.contents),
    }

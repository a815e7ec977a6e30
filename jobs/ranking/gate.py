"""Which system orders the feeds from a night on.

Belongs here: the rule, how many viewers it takes, who is held to the guards, and the sentences. The figures: judge.py.
The guards and their limits: guards.py. What follows: serving.py.

"Clearly" is with the interval of the paired difference clear of zero.

- The best plain order is, of those that clearly beat popularity, the one with the highest lower end of its interval;
  popularity where none does. No feed is to be below popularity, so whatever replaces it has the burden of proof.
- A model comes in only if it clearly beats the best plain order, and what serves, and breaks no guard. A plain order is
  not held to them, or feeds below popularity could keep their place by being varied.
- What serves stays until something clearly beats it, or its mean falls below popularity's; a model also leaves when its
  mean falls below the best plain order's. Then that order serves.
- So equal systems never change places, and a model that has come in has to be worth it on every later night.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.ranking.guards import broken

if TYPE_CHECKING:
    from jobs.ranking.intervals import Interval
    from jobs.ranking.judge import Compared

PROMOTED: Final = "promoted"
REJECTED: Final = "rejected"
# No verdict: what serves stays.
UNJUDGED: Final = "unjudged"
# From one viewer to the next, the difference of nDCG@10 has a standard deviation of 0.22 against popularity, 0.12
# against item-item and 0.04 between two rankers of one kind: the mean of 100 viewers is good to 0.022, 0.012 and 0.004.
# Two rankers 0.011 apart change places in one draw of 20 viewers in ten (docs/decisions/0011).
ENOUGH_VIEWERS = 100


class Defaults(NamedTuple):
    """The order that serves before the first verdict, and the one below which nothing is to serve: popularity."""

    first: str
    least: str


@dataclass(frozen=True)
class Decision:
    """What serves from tonight, whether that is a verdict, and for each system why it serves or does not."""

    serves: str
    is_judged: bool
    why: dict[str, str]


def decide(
    compared: Compared,
    orders: Sequence[str],
    challengers: Sequence[str],
    serving: str | None,
    new_watches: int | None,
    defaults: Defaults,
) -> Decision:
    """Decide among plain `orders` (in the order that breaks ties), tonight's models, and what is `serving`.

    `serving` is None where nothing was ever judged. `new_watches`: how many there are now beyond those of the last
    verdict; None before the first.
    """
    unjudged = _no_verdict(compared.viewers, new_watches, serving or defaults.first)
    if unjudged:
        return Decision(serving or defaults.first, False, dict.fromkeys(compared.systems, unjudged))
    best = _best_of(compared, [name for name in orders if _is_better(compared, name, defaults.least)], defaults.least)
    fit = {name: _unfit(compared, name, best, serving) for name in challengers}
    least = defaults.least if serving in orders else best
    base = serving if serving is not None and compared.difference(serving, least).value >= 0 else best
    rivals = [name for name in (*orders, *challengers) if not fit.get(name) and _is_better(compared, name, base)]
    # All rivals beat it: the best of them is the best by the lower end of its own interval.
    serves = _best_of(compared, rivals, base)
    why = {name: fit.get(name) or _behind(compared, name, serves) for name in compared.systems if name != serves}
    return Decision(serves, True, {**why, serves: _praise(compared, serves, base, serving)})


def _best_of(compared: Compared, names: Sequence[str], otherwise: str) -> str:
    return max(names, key=lambda name: (compared.mean(name).low, compared.mean(name).value), default=otherwise)


def _no_verdict(viewers: int, new_watches: int | None, kept: str) -> str | None:
    if new_watches == 0:
        return f"no new watch since the last verdict: {kept} serves on"
    if viewers < ENOUGH_VIEWERS:
        return f"{viewers} viewers to judge by, fewer than {ENOUGH_VIEWERS}: no verdict, {kept} serves on"
    return None


def _is_better(compared: Compared, one: str, other: str) -> bool:
    return one != other and compared.difference(one, other).low > 0


def _unfit(compared: Compared, model: str, best: str, serving: str | None) -> str | None:
    """Why a model of tonight may not serve at all; None if it may."""
    if not _is_better(compared, model, best):
        return f"does not clearly beat {best}: {_signed(compared.difference(model, best))}"
    other = serving or best
    return broken(compared.guarded[model], compared.guarded[other], other)


def _behind(compared: Compared, name: str, serves: str) -> str:
    return f"against {serves}: {_signed(compared.difference(name, serves))}"


def _praise(compared: Compared, serves: str, base: str, serving: str | None) -> str:
    """Why it serves."""
    figure = compared.mean(serves)
    mine = f"nDCG@10 {figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"
    if serves != base:
        return f"{mine} beats {base}: {_signed(compared.difference(serves, base))}"
    if serves == serving:
        return f"{mine}: it serves on, nothing beats it with the interval of the difference clear of zero"
    if serving is None:
        return f"{mine}: the best plain order, and no model beats it with the interval of the difference clear of zero"
    return f"{mine}: {serving} has fallen below it, {_signed(compared.difference(serving, serves))}"


def _signed(difference: Interval) -> str:
    return f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"

"""Which system orders the feeds from a night on.

Belongs here: the rule, how many viewers it takes, the guards and the sentences. The figures: judge.py. What follows:
serving.py.

- What serves stays unless something beats it, with the interval of the paired difference clear of zero.
- A model comes in only if it beats the best plain order like that too; "best" is by the lower end of its interval. It
  leaves as soon as its mean is below the best plain order's: then that order serves.
- So equal systems never change places, and a model that has come in has to be worth it on every later night.
- Where nothing was judged before, the best plain order serves, or the model that beats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
# A new model may show half as many different videos, and half as often new ones, as what it would replace: what it
# narrows beyond that no feedback of viewers brings back, since nobody sees what is not shown. A plain order is not held
# to it, or feeds below popularity could keep their place by being varied.
GUARD = 0.5


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
    first: str,
) -> Decision:
    """Decide among plain `orders` (in the order that breaks ties), tonight's models, and what is `serving`.

    `serving` is None where nothing was ever judged; then `first` serves until something is. `new_watches`: how many
    there are now beyond those of the last verdict; None before the first.
    """
    unjudged = _no_verdict(compared.viewers, new_watches, serving or first)
    if unjudged:
        return Decision(serving or first, False, dict.fromkeys(compared.systems, unjudged))
    best = max(orders, key=lambda order: (compared.mean(order).low, compared.mean(order).value))
    fit = {name: _unfit(compared, name, best, serving) for name in challengers}
    stays = serving is not None and (serving in orders or compared.difference(serving, best).value >= 0)
    base = serving if serving is not None and stays else best
    rivals = [name for name in (*orders, *challengers) if not fit.get(name) and _is_better(compared, name, base)]
    # All rivals beat it: the best of them is the best by the lower end of its own interval.
    serves = max(rivals, key=lambda name: compared.mean(name).low, default=base)
    why = {name: fit.get(name) or _behind(compared, name, serves) for name in compared.systems if name != serves}
    return Decision(serves, True, {**why, serves: _praise(compared, serves, base, serving, best)})


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
    mine, theirs = compared.reach[model], compared.reach[serving or best]
    for what, own, other in (
        ("different videos", mine.coverage, theirs.coverage),
        ("new videos", mine.new_share, theirs.new_share),
    ):
        if own < GUARD * other:
            return f"shows too few {what}: a share of {own:.4f}, and {serving or best} has {other:.4f}"
    return None


def _behind(compared: Compared, name: str, serves: str) -> str:
    return f"against {serves}: {_signed(compared.difference(name, serves))}"


def _praise(compared: Compared, serves: str, base: str, serving: str | None, best: str) -> str:
    """Why it serves."""
    figure = compared.mean(serves)
    mine = f"nDCG@10 {figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"
    if serves == serving:
        return f"{mine}: it serves on, nothing beats it with the interval of the difference clear of zero"
    if serves != base:
        return f"{mine} beats {base}: {_signed(compared.difference(serves, base))}"
    if serving is None:
        return f"{mine}: the best order by the lower end, and no model beats it with the interval clear of zero"
    return f"{mine}: {serving} has fallen below it, {_signed(compared.difference(serving, best))}"


def _signed(difference: Interval) -> str:
    return f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"

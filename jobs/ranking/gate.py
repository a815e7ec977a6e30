"""Whether a new ranker may serve.

Belongs here: the rule, how many viewers it takes to judge, and the sentence. The measurements: train.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PROMOTED: Final = "promoted"
REJECTED: Final = "rejected"
# No verdict: the ranker does not serve, and what serves stays.
UNJUDGED: Final = "unjudged"
# From one viewer to the next, the difference of nDCG@10 has a standard deviation of 0.22 against popularity, 0.12
# against item-item and 0.04 between two rankers of one kind: the mean of 100 viewers is good to 0.022, 0.012 and 0.004.
# Two rankers 0.011 apart change places in one draw of 20 viewers in ten (docs/decisions/0011).
ENOUGH_VIEWERS = 100


@dataclass(frozen=True)
class Measured:
    """nDCG@10 of all that are compared, on the same groups of so many viewers; `in_service` is None while none serves.

    `new_watches`: how many there are now beyond those of the night that trained the model in service; None without one.
    """

    model: float
    popularity: float
    in_service: float | None
    viewers: int
    new_watches: int | None = None


def verdict(measured: Measured) -> tuple[Literal["promoted", "rejected", "unjudged"], str]:
    """Promote only what is strictly better than popularity and than the model in service; and say why, or why not.

    Without a new watch since the model in service, or with too few viewers, there is no verdict.
    """
    kept = "no model was in service" if measured.in_service is None else "the model in service stays"
    if measured.new_watches == 0:
        return UNJUDGED, f"no new watch since the model in service was trained: {kept}"
    if measured.viewers < ENOUGH_VIEWERS:
        return UNJUDGED, f"{measured.viewers} viewers to judge by, fewer than {ENOUGH_VIEWERS}: no verdict, {kept}"
    rivals = {"popularity": measured.popularity, "the model in service": measured.in_service}
    compared = {name: value for name, value in rivals.items() if value is not None}
    lost = [f"{name} has {value:.4f}" for name, value in compared.items() if not measured.model > value]
    if lost:
        return REJECTED, f"nDCG@10 {measured.model:.4f} is no better: {' and '.join(lost)}"
    beaten = " and ".join(f"{name} with {value:.4f}" for name, value in compared.items())
    first = "" if measured.in_service is not None else "; no model was in service"
    return PROMOTED, f"nDCG@10 {measured.model:.4f} beats {beaten}{first}"

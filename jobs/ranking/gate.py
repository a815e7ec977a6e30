"""Whether a new ranker may serve.

Belongs here: the rule and its sentence. The measurements: train.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PROMOTED: Final = "promoted"
REJECTED: Final = "rejected"


@dataclass(frozen=True)
class Measured:
    """nDCG@10 of all that are compared, on the same groups; `in_service` is None while no model serves."""

    model: float
    popularity: float
    in_service: float | None


def verdict(measured: Measured) -> tuple[Literal["promoted", "rejected"], str]:
    """Promote only what is strictly better than popularity and than the model in service; and say why, or why not."""
    rivals = {"popularity": measured.popularity, "the model in service": measured.in_service}
    compared = {name: value for name, value in rivals.items() if value is not None}
    lost = [f"{name} has {value:.4f}" for name, value in compared.items() if not measured.model > value]
    if lost:
        return REJECTED, f"nDCG@10 {measured.model:.4f} is no better: {' and '.join(lost)}"
    beaten = " and ".join(f"{name} with {value:.4f}" for name, value in compared.items())
    first = "" if measured.in_service is not None else "; no model was in service"
    return PROMOTED, f"nDCG@10 {measured.model:.4f} beats {beaten}{first}"

"""An evaluation as JSON.

Belongs here: the shape of the file that `reelmill evaluate --json` writes. The same as pictures: page.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.evaluation.counterfactual import Estimates
from jobs.evaluation.judge import Part
from jobs.evaluation.protocol import Evaluation
from jobs.host.files import appearing
from jobs.host.finite import finite
from jobs.ranking.intervals import Interval

if TYPE_CHECKING:
    from jobs.evaluation.explored import Beside


def as_dict(found: Evaluation) -> dict[str, Any]:
    """`systems` first, reelmill's fits before all others; then how each fit chose, and on what all of it rests."""
    judged = found.judged
    return {
        "systems": [
            {
                "name": system.name,
                "fit": system.fit,
                "metrics": _intervals(judged.verdicts[system.key].metrics),
                "seconds": round(system.spent.seconds, 2),
                "peak_mb": round(system.spent.peak_mb, 1),
                "by_history": _parts(judged.verdicts[system.key].by_history),
                "by_audience": _parts(judged.verdicts[system.key].by_audience),
                "by_age_days": _parts(judged.verdicts[system.key].by_age),
                "curves": {
                    name: [{"k": k, "value": value} for k, value in points]
                    for name, points in judged.verdicts[system.key].curves.items()
                },
            }
            for system in found.systems
        ],
        "differences": [
            {"system": one, "other": other, "metric": metric, **interval._asdict()}
            for (one, other, metric), interval in judged.differences.items()
        ],
        "fits": [
            {"fit": fit.name, "chosen": fit.chosen, "chosen_by_ndcg@20": fit.measured, "importance": fit.importance}
            for fit in found.fits
        ],
        "strangers_get": found.strangers,
        "blend_weights": found.weights,
        "overlap": {"shared": found.overlap.shared, "brought": found.overlap.brought},
        "data": found.data,
        "origin": list(found.origin),
        "judged": {
            "viewers": judged.viewers,
            "without_history": judged.strangers,
            "pairs": judged.pairs,
            "unreachable_pairs": judged.unreachable,
        },
        "seconds": round(found.spent.seconds, 2),
        "peak_mb": round(found.spent.peak_mb, 1),
    }


def of_estimates(found: Estimates) -> dict[str, Any]:
    """What a log says of a policy: the estimates by name, then what they rest on."""
    return {
        "rows": found.rows,
        "viewers": found.viewers,
        "estimates": {name: getattr(found, name)._asdict() for name in ("logged", "ips", "snips", "dr")},
        "mean_weight": found.mean_weight._asdict(),
        "effective_rows": found.effective_rows,
        "largest_weight": found.largest_weight,
        "warnings": list(found.warnings),
    }


def of_systems(found: Sequence[Beside]) -> dict[str, Any]:
    """What the drawn slots of the lake say of each system, beside what served on the same slots."""
    return {
        "systems": [
            {
                "name": one.system,
                "nights": one.nights,
                **of_estimates(one.estimates),
                "served": of_estimates(one.served),
                "difference": one.difference._asdict(),
            }
            for one in found
        ]
    }


def write(found: Evaluation, path: Path) -> None:
    """The figures of an evaluation as a file."""
    write_json(as_dict(found), path)


def write_json(figures: dict[str, Any], path: Path) -> None:
    """The file, whole or not at all. What is no number, such as the figure of an empty part, is null."""
    with appearing(path) as unfinished:
        unfinished.write_text(json.dumps(finite(figures), indent=1, ensure_ascii=False))


def _intervals(metrics: dict[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: interval._asdict() for name, interval in metrics.items()}


def _parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [{"label": p.label, "count": p.count, "metrics": _intervals(p.metrics)} for p in parts]

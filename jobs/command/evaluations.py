"""What an evaluation found, as a terminal shows it: systems side by side, and what logged chance says of others.

Belongs here: what `reelmill evaluate` prints. Its page: evaluation/page.py. All else: console.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.command.console import say, table

if TYPE_CHECKING:
    from jobs.evaluation.counterfactual import Estimates
    from jobs.evaluation.explored import Beside
    from jobs.evaluation.protocol import Evaluation


def show(found: Evaluation, ks: Sequence[int]) -> None:
    """Every system's main figures, what each fit chose, and by how much the others were beaten."""
    judged = found.judged
    for sentence in found.origin:
        say(sentence)
    shown = [f"{metric}@{k}" for metric in ("ndcg", "recall") for k in ks]
    rows = []
    for system in found.systems:
        metrics = judged.verdicts[system.key].metrics
        cells = [f"{m.value:.4f} [{m.low:.4f}, {m.high:.4f}]" for m in (metrics[name] for name in shown)]
        rows.append((system.name, system.fit, *cells, f"{system.spent.seconds:.1f}", f"{system.spent.peak_mb:,.0f}"))
    table(("system", "fit", *shown, "seconds", "MB"), rows, right=range(2, 4 + len(shown)))
    for fit in found.fits:
        figures = sorted(fit.measured.items(), key=lambda item: -item[1])
        beside = ", ".join(f"{name} {figure:.4f}" for name, figure in figures)
        say(f"fit {fit.name}: {fit.chosen} serves, by nDCG@20 on the labels that choose ({beside})")
    say(f"whoever has no training pair gets {found.strangers}, whatever serves all others")
    for (one, other, metric), difference in judged.differences.items():
        if metric == shown[0]:
            value, low, high = difference
            say(f"{one} less {other}: {metric} {value:+.4f} [{low:+.4f}, {high:+.4f}]")
    say(
        f"{judged.pairs:,} test pairs of {judged.viewers:,} viewers, {judged.strangers:,} of them without a training "
        f"pair; {judged.unreachable:,} pairs no list can hold (training pairs, or videos that only the test file names)"
    )
    say(f"{found.spent.seconds:.1f} s and at most {found.spent.peak_mb:,.0f} MB before the test file was opened")


def counterfactual(found: Estimates) -> None:
    """What the policy in question would have earned, beside what the logged one did, and whether to believe it."""
    words = {"logged": "as logged", "ips": "IPS", "snips": "SNIPS", "dr": "doubly robust"}
    figures = {words[name]: getattr(found, name) for name in words} | {"mean weight": found.mean_weight}
    rows = [(name, f"{f.value:.4f}", f"[{f.low:.4f}, {f.high:.4f}]") for name, f in figures.items()]
    table(("reward a row", "value", "95 %"), rows, right=(1, 2))
    say(
        f"{found.rows:,} rows of {found.viewers:,} viewers, as good as {found.effective_rows:,.0f} rows of equal "
        f"weight; the largest weight is {found.largest_weight:,.1f}"
    )
    for warning in found.warnings:
        say(f"Take care: {warning}.")


def beside(found: Sequence[Beside]) -> None:
    """What each system would have earned on the slots that chance has filled, beside what served."""
    rows = []
    for one in found:
        estimates = (one.estimates.ips, one.estimates.snips, one.estimates.dr, one.served.dr)
        cells = [f"{e.value:.4f} [{e.low:.4f}, {e.high:.4f}]" for e in estimates]
        value, low, high = one.difference
        rows.append(
            (one.system, str(one.nights), f"{one.estimates.rows:,}", *cells, f"{value:+.4f} [{low:+.4f}, {high:+.4f}]")
        )
    heads = ("system", "nights", "slots", "IPS", "SNIPS", "doubly robust", "what served", "difference")
    table(heads, rows, right=range(1, 8))
    say("the mean reward (0 to 4) of a slot drawn from its feed; the last two columns are doubly robust too")
    for one in found:
        for warning in one.estimates.warnings:
            say(f"Take care with {one.system}: {warning}.")

"""An evaluation as one page of HTML with pictures, which needs no network.

Belongs here: what stands on the page, and in what order. The pictures: charts.py. The same figures for programs:
report.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from jobs.evaluation.baselines import POPULARITY
from jobs.evaluation.charts import bars, heat, intervals, lines
from jobs.evaluation.judge import Part
from jobs.evaluation.protocol import REELMILL, Evaluation
from jobs.host.files import appearing
from jobs.ranking.intervals import Interval

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2530; max-width: 1000px; margin: 2em auto; padding: 0 1em }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2em; border-top: 1px solid #dde3ea; padding-top: 1em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }
td, th { padding: .2em .7em; text-align: right; border-bottom: 1px solid #e6eaf0; white-space: nowrap }
td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left }
.wide { overflow-x: auto } small, .note { color: #5b6775 } svg { max-width: 100%; height: auto }
.ours td { font-weight: 600 }
"""
# Columns of the ranker that have a bar.
IMPORTANT = 20


def write(found: Evaluation, ks: Sequence[int], path: Path) -> None:
    """The page, whole or not at all."""
    with appearing(path) as unfinished:
        unfinished.write_text(page(found, ks), encoding="utf-8")


def page(found: Evaluation, ks: Sequence[int]) -> str:
    """The whole page."""
    parts = (
        _head(found),
        _systems(found, ks),
        _curves(found),
        _differences(found, ks),
        _gains(found, ks),
        _sources(found),
        _choice(found),
    )
    return document("Reelmill: evaluation", "".join(parts))


def document(title: str, body: str) -> str:
    """A whole page around what stands on it."""
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _head(found: Evaluation) -> str:
    data, judged = found.data, found.judged
    return (
        "<h1>Evaluation</h1>"
        f"{''.join(f'<p>{escape(sentence)}</p>' for sentence in found.origin)}"
        f"<p>{data['training_pairs']:,} training pairs of {data['training_viewers']:,} viewers, "
        f"{data['validation_pairs']:,} validation pairs; {data['ranked_videos']:,} of {data['catalogue']:,} videos "
        f"ranked for everybody, less their own training pairs. Judged: {judged.pairs:,} test pairs of "
        f"{judged.viewers:,} viewers, {judged.strangers:,} of them without a training pair; no list can hold "
        f"{judged.unreachable:,} of the pairs.</p><p class='note'>Bars are intervals of 95 % over viewers. "
        f"{found.spent.seconds:.0f} s and at most {found.spent.peak_mb:,.0f} MB before the test file was opened.</p>"
    )


def _systems(found: Evaluation, ks: Sequence[int]) -> str:
    names = [system.key for system in found.systems]
    pictures = "".join(
        intervals(f"{metric}@{k}", [(name, found.judged.verdicts[name].metrics[f"{metric}@{k}"]) for name in names])
        for metric in ("ndcg", "recall")
        for k in ks
    )
    metrics = list(found.judged.verdicts[names[0]].metrics)
    head = "".join(f"<th>{escape(name)}</th>" for name in ("system", "fit", *metrics, "seconds", "MB"))
    rows = []
    for system in found.systems:
        verdict = found.judged.verdicts[system.key]
        cells = "".join(f"<td>{with_ends(verdict.metrics[metric])}</td>" for metric in metrics)
        cost = f"<td>{system.spent.seconds:.1f}</td><td>{system.spent.peak_mb:,.0f}</td>"
        ours = " class='ours'" if system.name == REELMILL else ""
        rows.append(f"<tr{ours}><td>{escape(system.name)}</td><td>{escape(system.fit)}</td>{cells}{cost}</tr>")
    table = f"<div class='wide'><table><tr>{head}</tr>{''.join(rows)}</table></div>"
    return f"<h2>Systems</h2>{pictures}{table}"


def _curves(found: Evaluation) -> str:
    drawn = ""
    for metric in ("recall", "ndcg"):
        curves = {system.key: found.judged.verdicts[system.key].curves[metric] for system in found.systems}
        drawn += lines(f"{metric} against the length of the list", "k", curves)
    return f"<h2>Curves</h2>{drawn}"


def _differences(found: Evaluation, ks: Sequence[int]) -> str:
    drawn = ""
    for rival in dict.fromkeys(one for one, _, _ in found.judged.differences):
        for k in ks:
            metric = f"ndcg@{k}"
            rows = [
                (f"less {other}", interval)
                for (one, other, name), interval in found.judged.differences.items()
                if one == rival and name == metric
            ]
            drawn += intervals(f"{metric} of {rival}", rows)
    return f"<h2>Differences, paired by viewer</h2><p class='note'>Right of the line: more than the other.</p>{drawn}"


def _gains(found: Evaluation, ks: Sequence[int]) -> str:
    """Who gains and who loses, beside popularity, by history; and which videos are found."""
    k = max(ks)
    chosen = [system.key for name in (REELMILL, POPULARITY.name) for system in found.systems if system.name == name]
    verdicts = {name: found.judged.verdicts[name] for name in chosen}
    kinds = (
        ("viewers with so many training pairs", f"ndcg@{k}", {n: v.by_history for n, v in verdicts.items()}),
        ("videos with so many training viewers", f"recall@{k}", {n: v.by_audience for n, v in verdicts.items()}),
        ("videos that were out for so many days", f"recall@{k}", {n: v.by_age for n, v in verdicts.items()}),
    )
    drawn = "".join(_by_part(title, metric, parts) for title, metric, parts in kinds)
    return f"<h2>Who gains and who loses</h2>{drawn}"


def _by_part(title: str, metric: str, parts: dict[str, list[Part]]) -> str:
    rows = [
        (f"{mine.label} ({mine.count:,}): {name}", mine.metrics[metric])
        for mixed in zip(*parts.values(), strict=True)
        for name, mine in zip(parts, mixed, strict=True)
    ]
    return intervals(f"{metric}: {title}", rows) if rows else ""


def _sources(found: Evaluation) -> str:
    names = list(found.overlap.shared)
    cells = [[found.overlap.shared[a][b] for b in names] for a in names]
    drawn = heat("share of a row's source's best 20 that stand in a column's best 20 too", names, cells)
    for serving, brought in found.overlap.brought.items():
        drawn += bars(
            f"share of the first 20 of {serving} that a source's own 20 hold (dark: no other's do)",
            [(name, held, alone) for name, (held, alone) in brought.items()],
        )
    return f"<h2>Sources</h2>{drawn}"


def _choice(found: Evaluation) -> str:
    drawn = ""
    for fit in found.fits:
        figures = sorted(fit.measured.items(), key=lambda item: -item[1])
        drawn += bars(
            f"fit {fit.name}: nDCG@20 on the labels that choose; {fit.chosen} serves",
            [(name, value, value if name == fit.chosen else 0.0) for name, value in figures],
        )
        gains = sorted(fit.importance.items(), key=lambda item: -item[1])[:IMPORTANT]
        if gains:
            drawn += bars(f"fit {fit.name}: share of the ranker's gain", [(name, gain, gain) for name, gain in gains])
    weights = [(name, weight, weight) for name, weight in found.weights.items() if weight]
    return f"<h2>What serves, and why</h2>{drawn}{bars('weights of the blend', weights)}"


def with_ends(interval: Interval) -> str:
    """A figure and its interval, in a cell."""
    return f"{interval.value:.4f} <small>[{interval.low:.4f}, {interval.high:.4f}]</small>"

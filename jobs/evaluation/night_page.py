"""A night's comparison as one page of HTML with pictures, which needs no network.

Belongs here: what stands on that page. What it says: night.py. The page of an evaluation on files: page.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from jobs.evaluation.charts import bars, heat, intervals
from jobs.evaluation.night import GUARDS, Brought, Night, System
from jobs.evaluation.page import document, with_ends
from jobs.host.files import appearing
from jobs.ranking.metrics import K


def write(night: Night, sources: Sequence[Brought], path: Path) -> None:
    """The page, whole or not at all."""
    with appearing(path) as unfinished:
        unfinished.write_text(page(night, sources), encoding="utf-8")


def page(night: Night, sources: Sequence[Brought]) -> str:
    """The whole page."""
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in night.sentences)
    figures = intervals(f"nDCG@{K}, mean over viewers", [(one.name, one.ndcg) for one in night.systems])
    others = [(one.name, one.less) for one in night.systems if not one.is_serving]
    less = intervals(f"nDCG@{K} less that of {night.serves.name}, paired by viewers", others)
    shown = "".join(
        bars(title, [(name, share, share) for name, share in _shares(night.systems, guard)])
        for guard, title in (
            ("coverage", f"share of all published videos that stand in the first {K} slots of any list"),
            ("new_share", f"share of the first {K} slots with a video that few had watched"),
            ("small_share", f"share of the first {K} slots with a video of a small creator"),
            ("calibration", f"how far hashtags have the shares in the first {K} slots that viewers had watched before"),
        )
        if _shares(night.systems, guard)
    )
    parts = (
        f"<h1>The feeds of {night.day}</h1><ul>{said}</ul>",
        f"<p class='note'>{night.moments:,} moments of {night.viewers:,} viewers: at each, every system's whole list, "
        "as it would have been served, by all that the viewer watched from then on. Gain 1 watched in part, "
        "2 finished, 3 liked, 4 shared or followed. Bars are intervals of 95 % over viewers.</p>",
        f"<h2>Systems</h2>{figures}{_table(night.systems)}",
        f"<h2>Differences</h2><p class='note'>Left of the line: less than what serves.</p>{less}" if others else "",
        f"<h2>What is shown</h2>{shown}",
        _sources(sources),
    )
    return document(f"Reelmill: the feeds of {night.day}", "".join(parts))


def _shares(systems: Sequence[System], guard: str) -> list[tuple[str, float]]:
    """Of the systems of which that was measured."""
    found = [(one.name, getattr(one.guarded, guard)) for one in systems]
    return [(name, share) for name, share in found if share is not None]


def _table(systems: Sequence[System]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("system", "kind", f"nDCG@{K}", "less what serves", *GUARDS))
    rows = "".join(
        f"<tr{' class=ours' if one.is_serving else ''}><td>{escape(one.name)}</td>"
        f"<td>{'serves' if one.is_serving else one.kind}</td><td>{with_ends(one.ndcg)}</td>"
        f"<td>{'' if one.is_serving else with_ends(one.less)}</td>"
        f"{''.join(f'<td>{cell}</td>' for cell in one.guards)}</tr>"
        for one in systems
    )
    return f"<div class='wide'><table><tr>{head}</tr>{rows}</table></div>"


def _sources(sources: Sequence[Brought]) -> str:
    if not sources:
        return ""
    names = [one.source for one in sources]
    brought = bars(
        f"share of the first {K} slots of the feeds that a source proposed (dark: no other did)",
        [(one.source, one.proposed, one.alone) for one in sources],
    )
    overlap = heat(
        f"share of a row's source's best {K} that are among a column's best {K} too",
        names,
        [[one.shared[name] for name in names] for one in sources],
    )
    return f"<h2>Sources</h2>{brought}{overlap}"

"""What orders the feeds, as a terminal shows it: models, verdicts, and one viewer's feed explained.

Belongs here: `reelmill models` and `reelmill explain`. Everything else that is printed: console.py.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.command.console import print_json, say, table
from jobs.errors import ReelmillError

if TYPE_CHECKING:
    from jobs.evaluation.night import System
    from jobs.feeds.explain import Explained, Feed
    from jobs.settings import Settings

TOLD = 3  # features that are told of each slot
TOLD_OF_ONE = 12


class NoNight(ReelmillError):
    """No night has made a feed yet."""


def newest_night(settings: Settings) -> date:
    """The newest night that has feeds. Raises NoNight."""
    from jobs.engine.query import exists, query

    rows = query("SELECT max(event_date) FROM gold.feeds", settings)[1] if exists("gold.feeds", settings) else []
    if not rows or rows[0][0] is None:
        raise NoNight("There are no feeds yet. `reelmill pipeline nightly` makes those of the newest day.")
    night: date = rows[0][0]
    return night


def models(settings: Settings, as_json: bool) -> None:
    """Every model, the newest first, and the present turn."""
    from jobs.engine.query import exists, query
    from jobs.engine.tables import Tables
    from jobs.ranking.model import UNNAMED
    from jobs.ranking.serving import turns_of

    told = turns_of(Tables.of(settings))
    wanted = "model_version, model_name, event_date, verdict, ndcg_at_10, popularity_ndcg_at_10, trained_rows, trees"
    columns, rows = (
        query(f"SELECT {wanted} FROM gold.models ORDER BY event_date DESC, model_version", settings)
        if exists("gold.models", settings)
        else ([], [])
    )
    if as_json:
        listed = [dict(zip(columns, row, strict=True)) for row in rows]
        return print_json({"models": listed, "turns": [asdict(turn) for turn in told]})
    cells = [(str(r[0]), r[1] or UNNAMED, str(r[2]), r[3], f"{r[4]:.4f}", f"{r[5]:.4f}", str(r[7])) for r in rows]
    heads = ("model", "ranker", "night", "verdict", "nDCG@10", "popularity's", "rounds")
    table(heads, cells, right=(4, 5, 6))
    if told:
        turn = told[-1]
        by = "a person decided" if turn.is_by_a_person else "the gate"
        say(f"{turn.system} serves since the night of {_since(told)} ({by}: {turn.why})")
    else:
        say("nothing was ever judged: item_item_order serves, or the newest model that was promoted before verdicts")


def verdicts(settings: Settings, day: date | None, page: Path | None) -> None:
    """What was compared on a night, the best first, and why one of them serves; the same as a page, if asked for."""
    from jobs.evaluation import night_page
    from jobs.evaluation.night import GUARDS, brought, read

    night = read(settings, day)
    if night is None:
        return say("no ranker yet: nobody was shown or watched enough to learn from")
    heads = ("system", "", "nDCG@10", "less what serves", *GUARDS)
    table(heads, [_system(one) for one in night.systems], right=(4, 5, 6, 7, 8))
    for sentence in night.sentences:
        say(sentence)
    if page:
        night_page.write(night, brought(settings, night.day), page)
        say(f"with pictures: {page}")


def explained(feed: Feed, one: Explained | None, as_json: bool) -> None:
    """A viewer's slots, or all that is known of one video."""
    if as_json:
        return print_json(asdict(one) if one else asdict(feed))
    if one:
        return _one(feed, one)
    say(f"{feed.user_id}, the feed as of the end of {feed.night}, ordered by {feed.system}, policy {feed.policy}")
    shown = [candidate for candidate in feed.candidates if candidate.position is not None]
    table(("slot", "video", "title", "score", "by score", "proposed by", "most of it"), [_slot(c) for c in shown])
    left = len(feed.candidates) - len(shown)
    say(f"{len(feed.candidates)} candidates, {left} of them beyond the last slot; name a video to see all of it")


def _one(feed: Feed, one: Explained) -> None:
    where = "beyond the last slot" if one.position is None else f"in slot {one.position}"
    say(f"{one.video_id} ({one.title or 'without a title'}) is {where} of {feed.user_id} on {feed.night}")
    table(
        ("source", "rank", "score", "because of"),
        [(p.source, str(p.rank), f"{p.score:.4g}", p.because or "") for p in one.proposed],
        right=(1, 2),
    )
    parts = one.parts[:TOLD_OF_ONE]
    table(
        ("feature", "value", "adds"),
        [(p.feature, "" if p.value is None else f"{p.value:.6g}", f"{p.adds:+.4f}") for p in parts],
        right=(1, 2),
    )
    rest = sum(part.adds for part in one.parts[TOLD_OF_ONE:])
    say(f"score {one.score:.4f} by {feed.system}, of which {rest:+.4f} by the features that are not listed")
    moved = "".join(f"; {step.stage} moved it {_far(step.places)}" for step in one.moved)
    say(f"place {one.place} by score{moved} (policy {feed.policy})")
    if one.propensity:
        say(f"chance has brought it there: each candidate could have come with a probability of {one.propensity:.4f}")


def _far(places: int) -> str:
    return f"{abs(places)} {'down' if places > 0 else 'up'}"


def _slot(one: Explained) -> tuple[str, ...]:
    by = ", ".join([*["chance"] * bool(one.propensity), *(f"{p.source} {p.rank}" for p in one.proposed)])
    most = ", ".join(f"{p.feature} {p.adds:+.2f}" for p in one.parts[:TOLD])
    return str(one.position), one.video_id, one.title or "", f"{one.score + 0:.3f}", str(one.place), by, most


def _since(told: Any) -> date:
    """The night from which on the system that serves now has served without a break."""
    since: date = told[-1].event_date
    for turn in reversed(told):
        if turn.system != told[-1].system:
            break
        since = turn.event_date
    return since


def _system(one: System) -> tuple[str, ...]:
    ndcg, less, serves = one.ndcg, one.less, one.is_serving
    figure = f"{ndcg.value:.4f} [{ndcg.low:.4f}, {ndcg.high:.4f}]"
    beside = "" if serves else f"{less.value:+.4f} [{less.low:+.4f}, {less.high:+.4f}]"
    return one.name, "serves" if serves else one.kind, figure, beside, *one.guards

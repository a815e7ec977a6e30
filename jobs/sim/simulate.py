"""Run the simulated world and hand it over: clips and manifests to the landing area, events to the spool.

Belongs here: which days are handed over, and their uploads. The world itself: world.py, behaviour.py, follow.py,
clips.py. Its events: events.py. Reading what is written here: media.ingest, events.ingest.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from jobs.arrivals.handover import Progress, hand_over, json_line, refuse_another, timestamp
from jobs.errors import ReelmillError
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from jobs.sim import behaviour, follow
from jobs.sim.clips import clip_of, draw_all
from jobs.sim.events import Events, by_day, hand_over_events, logged_events, session_events
from jobs.sim.plan import SOURCE, Plan, plan_of
from jobs.sim.world import DAY_MS, SimulatedWorld, creator_id, video_id
from serving.feed_store.layout import night_of


class NotThatDay(ReelmillError):
    """The day after the night that is served is not a day on feeds."""


@dataclass(frozen=True)
class SimReport:
    """What was handed over. `events` counts each event once; `lines` also the repeated and the broken ones."""

    viewers: int
    creators: int
    videos: int
    clips_drawn: int
    sessions: int
    impressions: int
    views: int
    events: int
    lines: int
    malformed: int
    first_day: date
    last_day: date
    seconds: float
    manifests: tuple[Path, ...]
    event_files: tuple[Path, ...]


@dataclass(frozen=True)
class Lived:
    """What was handed over of a day on feeds, and the sessions themselves, whose truth the platform never learns."""

    report: SimReport
    sessions: list[behaviour.Sessions]


def simulate(
    settings: Settings,
    *,
    seed: int = 7,
    viewers: int = 300,
    creators: int = 30,
    videos: int = 240,
    days: int = 14,
    first_day: date = date(2026, 1, 5),
    equals: int = 0,
    logged_days: int | None = None,
    has_clips: bool = True,
    progress: Progress | None = None,
) -> SimReport:
    """Make the world of `seed` and hand over what is uploaded and watched on its first days, from `first_day` on.

    These are its first `logged_days` (None: all its `days`), on which everybody is shown the same mix of what is
    popular, what is new, and chance. The others wait for feeds: `live`. Doing it again writes the same bytes under the
    same names. Raises OtherDataHere for a second, different world in the same home, since its ids would mean other
    people.
    """
    started = time.perf_counter()
    tell = progress or (lambda what, done, total: None)
    logged_days = days if logged_days is None else logged_days
    plan = Plan(seed, viewers, creators, videos, days, first_day, equals, logged_days, has_clips)
    refuse_another(settings, SOURCE, plan.name)
    plan.keep(settings)
    world, end = plan.world(), plan.date_of(logged_days)

    drawn, manifests = _hand_over_uploads(world, plan, settings, range(-2, logged_days), tell)
    groups = []
    for group in behaviour.sessions(world, logged_days):
        groups.append(group)
        tell("simulating days", group.day + 1, logged_days)
    events = [event for group in groups for event in logged_events(group)]
    written = hand_over_events(np.random.default_rng([seed, 2]), events, settings.spool / plan.name, end, tell)
    span = (first_day, plan.date_of(logged_days - 1))
    return _report(plan, groups, drawn, manifests, len(events), written, span, started)


def live(settings: Settings, progress: Progress | None = None) -> Lived:
    """Live the day after the night whose feeds are served, on these feeds, and hand over what is uploaded and watched.

    Living it again on the same feeds writes the same bytes under the same names. Raises NoWorldHere, NoFeedPublished,
    and NotThatDay when the world had that day before there were feeds, or has ended.
    """
    started = time.perf_counter()
    tell = progress or (lambda what, done, total: None)
    plan = plan_of(settings)
    world = plan.world()
    with redis_url(settings) as url:
        version, day = _served_day(plan, url)
        served = follow.live(world, day, url)
    groups = [one.sessions for one in served]
    events = [event for one in served for event in session_events(one.sessions, one.position, one.feed_version)]
    drawn, manifests = _hand_over_uploads(world, plan, settings, range(day, day + 1), tell)
    rng, files = np.random.default_rng([plan.seed, 4, day]), settings.spool / f"{plan.name}-on-{version}"
    written = hand_over_events(rng, events, files, plan.date_of(day + 1), tell)
    span = (plan.date_of(day), plan.date_of(day))
    report = _report(plan, groups, drawn, manifests, len(events), written, span, started)
    return Lived(report, groups)


def uploads(world: SimulatedWorld, videos: Iterable[int], landing: Path | None) -> Iterator[dict[str, object]]:
    """Videos as rows of bronze.uploads, whose files are in `landing` already; without it, as titles without media."""
    for v in videos:
        media_file = Path("files") / f"{video_id(v)}.mp4"
        yield {
            "upload_id": video_id(v),
            "user_id": creator_id(int(world.creator[v])),
            "title": world.titles[v],
            "hashtags": list(world.hashtags[v]),
            "sound_id": f"sound-{world.sound[v]:02d}" if world.sound[v] >= 0 else None,
            "duet_of": video_id(int(world.duet_of[v])) if world.duet_of[v] >= 0 else None,
            "stitch_of": None,
            "media_file": str(media_file) if landing else None,
            "source": SOURCE,
            "bytes": (landing / media_file).stat().st_size if landing else None,
            "duration_ms": None if landing else int(world.duration_ms[v]),
            "uploaded_at": timestamp(int(world.published_ms[v])),
        }


def _served_day(plan: Plan, url: str) -> tuple[str, int]:
    """The version of the feeds that are served, and the day after their night, counted from 0."""
    version = follow.served_version(url)
    night = night_of(version)
    day = (night - plan.first_day).days + 1 if night else -1
    if not plan.logged_days <= day < plan.days:
        raise NotThatDay(
            f"The feeds that are served are of {night or version}; days on feeds are those from "
            f"{plan.date_of(plan.logged_days)} to {plan.date_of(plan.days - 1)}, each on the feeds of the night before."
        )
    return version, day


def _hand_over_uploads(
    world: SimulatedWorld, plan: Plan, settings: Settings, days: range, tell: Progress
) -> tuple[int, tuple[Path, ...]]:
    """What is uploaded on these days, a manifest a day; returns how many clips were drawn, and the manifests."""
    new = np.flatnonzero(np.isin((world.published_ms - world.start_ms) // DAY_MS, days)).tolist()
    drawn = _draw_clips(world, new, settings.landing / "files", tell) if plan.has_clips else 0
    rows_by_day = by_day(uploads(world, new, settings.landing if plan.has_clips else None), "uploaded_at")
    manifests = settings.landing / "manifests"
    return drawn, tuple(
        hand_over(manifests / f"{plan.name}-{day}.jsonl", map(json_line, rows)) for day, rows in rows_by_day.items()
    )


def _draw_clips(world: SimulatedWorld, videos: Sequence[int], folder: Path, tell: Progress) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    clips = [
        clip_of(
            v,
            topic=int(world.topic[v]),
            creator=int(world.creator[v]),
            sound=int(world.sound[v]),
            duration_ms=int(world.duration_ms[v]),
        )
        for v in videos
    ]
    paths = [folder / f"{video_id(v)}.mp4" for v in videos]
    return draw_all(zip(clips, paths, strict=True), lambda done: tell("drawing clips", done, len(videos)))


def _report(
    plan: Plan,
    groups: Sequence[behaviour.Sessions],
    drawn: int,
    manifests: tuple[Path, ...],
    events: int,
    written: Events,
    span: tuple[date, date],
    started: float,
) -> SimReport:
    return SimReport(
        viewers=plan.viewers,
        creators=plan.creators,
        videos=plan.videos,
        clips_drawn=drawn,
        sessions=sum(len(group.viewer) for group in groups),
        impressions=sum(group.video.size for group in groups),
        views=sum(int(group.looked_at.sum()) for group in groups),
        events=events,
        lines=written.lines,
        malformed=written.malformed,
        first_day=span[0],
        last_day=span[1],
        seconds=round(time.perf_counter() - started, 3),
        manifests=manifests,
        event_files=written.files,
    )

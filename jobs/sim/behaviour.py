"""What viewers of the simulated world do: sessions, feeds shown to them, what they look at, watch and press.

Belongs here: chance and choice, vectorised over sessions, and the days before there are feeds. Who they are: world.py.
Days on the feeds that the platform serves: follow.py. Writing it down as events: simulate.py.

A session shows SLOTS videos. Whether a slot is looked at falls with its position and depends on nothing else (the
position-based model of Craswell et al., "An experimental comparison of click position-bias models", WSDM 2008), so a
ranker that takes "not watched" for "not liked" learns the logging policy instead of the viewers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from jobs.events.watches import SKIPPED
from jobs.sim.world import DAY_MS, Floats, Ints, SimulatedWorld
from serving.interactions import EventType

SLOTS = 10
EXAMINATION = (1.0 + np.arange(SLOTS)) ** -0.35
"""P(a slot is looked at), by position: 1.0, 0.78, 0.68 ... 0.45."""
PARTS_OF_DAY = ((7, 12, 0.25), (12, 18, 0.3), (18, 23, 0.45))
"""From hour, to hour, share of a viewer's sessions; a viewer has at most one session in each."""
NOISE = 0.8  # deviation of the mood of the moment, on the scale of SimulatedWorld.liking
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Sessions:
    """N sessions of one part of a day, SLOTS slots each. Shapes: (N,) or (N, SLOTS); flags are of looked-at slots."""

    name: str  # of the part of the day, unique in the world
    day: int
    viewer: Ints
    video: Ints
    shown_ms: Ints
    looked_at: np.ndarray
    share_watched: Floats
    watch_ms: Ints
    actions: dict[EventType, np.ndarray]

    def of(self, rows: np.ndarray) -> "Sessions":
        """Some of the sessions."""
        by_session = {name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **by_session, actions={action: flags[rows] for action, flags in self.actions.items()})


def sessions(world: SimulatedWorld, days: int | None = None) -> Iterator[Sessions]:
    """All sessions of the first `days` (None: of all), in the order of time, before there are feeds.

    A video that a viewer has watched is not shown to that viewer again.

    Someone for whom fewer than SLOTS videos are left stays away.
    """
    rng = np.random.default_rng([world.seed, 1])
    watched = np.zeros((world.viewers, world.videos), dtype=np.bool_)
    views_by_day = np.zeros((world.days, world.videos))
    for day in range(world.days if days is None else days):
        liking = world.liking(day)
        for part in range(len(PARTS_OF_DAY)):
            viewer, begin = openings(rng, world, day, part)
            recent_views = views_by_day[max(day - 3, 0) : day].sum(axis=0)
            video, is_full = _shown(rng, world, viewer, begin, recent_views, watched)
            viewer, begin, video = viewer[is_full], begin[is_full], video[is_full]
            group = watch(rng, world, f"{day:02d}-{part}", day, viewer, begin, video, liking)
            seen_by, seen = np.repeat(viewer, SLOTS)[group.looked_at.ravel()], video[group.looked_at]
            watched[seen_by, seen] = True
            np.add.at(views_by_day[day], seen, 1)
            yield group


def openings(rng: np.random.Generator, world: SimulatedWorld, day: int, part: int) -> tuple[Ints, Ints]:
    """Who opens a session in a part of a day, and when, in milliseconds since 1970."""
    first_hour, last_hour, share = PARTS_OF_DAY[part]
    viewer = np.flatnonzero(rng.random(world.viewers) < world.sessions_per_day * share)
    begin = world.start_ms + day * DAY_MS + rng.integers(first_hour * HOUR_MS, last_hour * HOUR_MS, len(viewer))
    return viewer, begin


def _shown(
    rng: np.random.Generator,
    world: SimulatedWorld,
    viewer: Ints,
    begin: Ints,
    recent_views: Floats,
    watched: np.ndarray,
) -> tuple[Ints, np.ndarray]:
    """(N, SLOTS) videos, and (N,) whether all slots could be filled.

    The logging policy: what is popular, what is new, and much chance, the same for everyone.

    Adding Gumbel noise to scores and taking the best SLOTS draws without replacement, likelier the higher the score.
    """
    age_days = (begin[:, None] - world.published_ms[None, :]) / DAY_MS
    score = 0.8 * np.log1p(recent_views)[None, :] / np.log(10) + 1.0 * (age_days < 2) + rng.gumbel(size=age_days.shape)
    score[(age_days < 0.02) | watched[viewer]] = -np.inf  # half an hour passes before a new video is playable
    best: Ints = np.argsort(-score, axis=1, kind="stable")[:, :SLOTS]
    return best, np.isfinite(np.take_along_axis(score, best, axis=1)).all(axis=1)


def watch(
    rng: np.random.Generator,
    world: SimulatedWorld,
    name: str,
    day: int,
    viewer: Ints,
    begin: Ints,
    video: Ints,
    liking: Floats,
) -> Sessions:
    """What happens on each slot. Someone who likes a short clip lets it loop, so shares exceed 1."""
    shape = video.shape
    looked_at = rng.random(shape) < EXAMINATION
    joy = liking[viewer[:, None], video] + rng.normal(0, NOISE, shape)
    once = 1.25 / (1 + np.exp(-joy))
    loops = np.where((joy > 1.5) & (rng.random(shape) < 0.5), rng.geometric(0.6, shape), 0)
    share = np.round(np.minimum(once, 1.0) + loops * rng.uniform(0.3, 1.0, shape), 3)
    watch_ms = np.round(share * world.duration_ms[video]).astype(np.int64)
    share = np.round(watch_ms / world.duration_ms[video], 4)
    happens = {
        EventType.LIKE: _chance(joy, -3.2, 1.3),
        EventType.COMMENT: _chance(joy, -5.0, 1.0),
        EventType.SHARE: _chance(joy, -5.0, 1.1),
        EventType.FOLLOW: _chance(joy, -5.2, 1.1),
        EventType.SKIP: np.where(share < SKIPPED, 0.7, 0.0),
        EventType.NOT_INTERESTED: np.where(share < SKIPPED, 0.04, 0.0),
        EventType.REPORT: np.where(share < SKIPPED, 0.002, 0.0),
    }
    on_screen = np.where(looked_at, watch_ms + 700, 150)
    shown_ms = begin[:, None] + np.cumsum(on_screen, axis=1) - on_screen
    return Sessions(
        name=name,
        day=day,
        viewer=viewer,
        video=video,
        shown_ms=shown_ms,
        looked_at=looked_at,
        share_watched=share,
        watch_ms=watch_ms,
        actions={action: looked_at & (rng.random(shape) < chance) for action, chance in happens.items()},
    )


def _chance(joy: Floats, offset: float, slope: float) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-(offset + slope * joy)))
    return chance

"""Who and what there is in the simulated world: topics, viewers with tastes, creators, videos, sounds.

Belongs here: what is fixed before the first session. What viewers do with it: behaviour.py.

Rates and shapes are chosen, not measured: tastes are concentrated (Dirichlet), output and activity are skewed
(log-normal), quality belongs to a creator more than to a video. The world is a test bed in which the right answer is
known, and no claim about people.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY_MS = 86_400_000
# Of the videos, how many equal creators made between them, where there are such: every second lot.
EQUAL_EVERY = 2


@dataclass(frozen=True)
class Topic:
    """What a video can be about: its hashtags, the most used first, and the nouns of its titles."""

    name: str
    hashtags: tuple[str, ...]
    nouns: tuple[str, ...]


TOPICS = (
    Topic("dance", ("dance", "choreo", "dancechallenge", "hiphop"), ("shuffle", "waltz", "routine", "spin")),
    Topic("cooking", ("cooking", "recipe", "foodie", "baking"), ("sourdough", "noodles", "pancakes", "soup")),
    Topic("football", ("football", "goals", "freestyle", "skills"), ("free kick", "rabona", "volley", "nutmeg")),
    Topic("cats", ("cats", "catlife", "kitten", "pets"), ("cat in a box", "kitten", "zoomies", "nap")),
    Topic("diy", ("diy", "handmade", "upcycling", "woodwork"), ("shelf", "lamp", "bench", "birdhouse")),
    Topic("travel", ("travel", "citytrip", "hiking", "roadtrip"), ("mountain hut", "night train", "harbour", "trail")),
    Topic("gaming", ("gaming", "speedrun", "indiegame", "clutch"), ("boss fight", "speedrun", "glitch", "level one")),
    Topic("comedy", ("comedy", "sketch", "prank", "relatable"), ("office joke", "impression", "mishap", "punchline")),
    Topic("music", ("music", "guitar", "cover", "beatmaking"), ("guitar riff", "loop", "chorus", "drum fill")),
    Topic("science", ("science", "experiment", "space", "chemistry"), ("volcano", "comet", "magnet", "crystal")),
)
GLOBAL_HASHTAGS = ("fyp", "viral", "trend", "new")
OPENINGS = (
    "My first",
    "One more",
    "Late night",
    "How I do a",
    "Slow motion",
    "Nobody expected this",
    "Perfect",
    "Tiny",
)


@dataclass(frozen=True)
class SimulatedWorld:
    """V videos, C creators, U viewers, K topics. Times are milliseconds since 1970, UTC; tastes are shares of 1."""

    seed: int
    first_day: date
    days: int
    taste_first: Floats  # (U, K), on the first day
    taste_last: Floats  # (U, K), on the last
    fondness: Floats  # (U, C): how much more than the topic says a viewer likes a creator
    sessions_per_day: Floats  # (U,)
    topic: Ints  # (V,)
    creator: Ints  # (V,)
    quality: Floats  # (V,), about N(0, 1)
    sound: Ints  # (V,); -1: silent
    published_ms: Ints  # (V,), ascending
    duration_ms: Ints  # (V,)
    titles: tuple[str, ...]
    hashtags: tuple[tuple[str, ...], ...]
    duet_of: Ints  # (V,); -1: none
    trend_day: Floats  # (K,): when the whole world looks at a topic most
    equals: int  # so many creators, the last ones, are equal

    @property
    def viewers(self) -> int:
        return len(self.sessions_per_day)

    @property
    def videos(self) -> int:
        return len(self.topic)

    @property
    def start_ms(self) -> int:
        return int(datetime.combine(self.first_day, time(), UTC).timestamp()) * 1000

    def taste(self, day: float) -> Floats:
        """(U, K): tastes move from the first to the last along a straight line; `day` counts from 0."""
        moved = min(max(day / max(self.days - 1, 1), 0.0), 1.0)
        return (1 - moved) * self.taste_first + moved * self.taste_last

    def liking(self, day: float) -> Floats:
        """(U, V): how much each viewer likes each video on a day, before chance; mean about 0, deviation about 1.5.

        The taste for its topic (on a log scale: twice the taste is always the same step), the creator, the quality,
        and the topic's moment of fame.
        """
        match = np.log(self.taste(day) * len(TOPICS) + 0.15)
        fame = 0.8 * np.exp(-0.5 * ((day - self.trend_day) / 1.5) ** 2)
        return (match + fame)[:, self.topic] + self.fondness[:, self.creator] + 0.7 * self.quality[None, :]


def make_world(
    *, seed: int, viewers: int, creators: int, videos: int, days: int, first_day: date, equals: int = 0
) -> SimulatedWorld:
    """Draw the world. A quarter of the videos exist when the first day begins, the others come over the days.

    The last `equals` of the creators are equal: what one of them uploads, each of the others uploads too, soon before
    or after, with its own id and nothing else of its own; and nobody likes one of them more than another.
    """
    rng = np.random.default_rng([seed, 0])
    topics = len(TOPICS)
    taste_first = rng.dirichlet(np.full(topics, 0.25), viewers)
    restless = rng.random(viewers) < 0.5  # half of the viewers end up with another taste
    taste_last = np.where(restless[:, None], rng.dirichlet(np.full(topics, 0.25), viewers), taste_first)

    main_topic = rng.permutation(np.arange(creators) % topics)
    side_topic = rng.integers(0, topics, creators)
    creator_quality = rng.normal(0, 0.8, creators)
    output = rng.lognormal(0, 0.7, creators)
    output[creators - equals :] = 0.0  # what they make is told below
    creator = rng.choice(creators, videos, p=output / output.sum())
    topic = np.where(rng.random(videos) < 0.8, main_topic[creator], side_topic[creator])
    backlog = videos // 4
    span_ms = days * DAY_MS
    published = np.sort(
        np.concatenate(
            [rng.integers(-2 * DAY_MS, 0, backlog), rng.integers(0, span_ms - DAY_MS // 4, videos - backlog)]
        )
    )
    duet = np.where(rng.random(videos) < 0.06, (rng.random(videos) * np.arange(videos)).astype(np.int64), -1)
    duet[0] = -1
    nouns = [str(rng.choice(TOPICS[t].nouns)) for t in topic]
    openings = rng.choice(OPENINGS, videos)
    world = SimulatedWorld(
        seed=seed,
        first_day=first_day,
        days=days,
        taste_first=taste_first,
        taste_last=taste_last,
        fondness=np.where(rng.random((viewers, creators)) < 0.06, rng.normal(1.2, 0.4, (viewers, creators)), 0.0),
        sessions_per_day=np.clip(rng.lognormal(-0.1, 0.6, viewers), 0.2, 2.5),
        topic=topic,
        creator=creator,
        quality=creator_quality[creator] + rng.normal(0, 0.6, videos),
        sound=np.where(rng.random(videos) < 0.92, topic * 3 + rng.integers(0, 3, videos), -1),
        published_ms=published + int(datetime.combine(first_day, time(), UTC).timestamp()) * 1000,
        duration_ms=rng.integers(15, 31, videos) * 100,
        titles=tuple(f"{opening} {noun}" for opening, noun in zip(openings, nouns, strict=True)),
        hashtags=tuple(_hashtags(rng, TOPICS[t]) for t in topic),
        duet_of=duet,
        trend_day=rng.uniform(0, days, topics),
        equals=equals,
    )
    return _with_equals(rng, world) if equals else world


def lots(world: SimulatedWorld) -> Ints:
    """(N, equals): videos that are alike but for their creator, neighbours in time; every equal creator made one."""
    begin = np.arange(world.videos // world.equals)[::EQUAL_EVERY] * world.equals
    return begin[:, None] + np.arange(world.equals)


def _with_equals(rng: np.random.Generator, world: SimulatedWorld) -> SimulatedWorld:
    """The lots of videos become one video each that every equal creator made.

    Which creator is the first of a lot is drawn for each lot.
    """
    creators, equals, made = world.fondness.shape[1], world.equals, lots(world)
    like = np.arange(world.videos)
    like[made] = made[:, :1]
    creator, duet_of, fondness = world.creator.copy(), world.duet_of.copy(), world.fondness.copy()
    creator[made] = rng.permuted(np.tile(np.arange(creators - equals, creators), (len(made), 1)), axis=1)
    duet_of[made] = -1
    fondness[:, creators - equals :] = 0.0
    return replace(
        world,
        fondness=fondness,
        creator=creator,
        topic=world.topic[like],
        quality=world.quality[like],
        sound=world.sound[like],
        duration_ms=world.duration_ms[like],
        titles=tuple(world.titles[v] for v in like),
        hashtags=tuple(world.hashtags[v] for v in like),
        duet_of=duet_of,
    )


def _hashtags(rng: np.random.Generator, topic: Topic) -> tuple[str, ...]:
    """The topic's own name nearly always, one narrower hashtag, and sometimes one that says nothing."""
    tags = [topic.hashtags[0]] if rng.random() < 0.9 else []
    tags.append(str(rng.choice(topic.hashtags[1:])))
    if rng.random() < 0.4:
        tags.append(str(rng.choice(GLOBAL_HASHTAGS)))
    return tuple(tags)


def viewer_id(viewer: int) -> str:
    return f"viewer-{viewer:04d}"


def creator_id(creator: int) -> str:
    return f"creator-{creator:03d}"


def video_id(video: int) -> str:
    return f"clip-{video:04d}"


def video_number(name: str) -> int | None:
    """The number of the video that has this id; None where no simulated video has it."""
    found = re.fullmatch(r"clip-(\d+)", name)
    return int(found[1]) if found else None

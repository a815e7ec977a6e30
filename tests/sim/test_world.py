"""The simulated world has what a ranker must find: tastes that differ and drift, and positions that mislead."""

from datetime import date

import numpy as np
import pytest

from jobs.sim.behaviour import EXAMINATION, SLOTS, Sessions, sessions
from jobs.sim.world import TOPICS, SimulatedWorld, make_world


@pytest.fixture(scope="module")
def world() -> SimulatedWorld:
    return make_world(seed=7, viewers=300, creators=30, videos=240, days=14, first_day=date(2026, 1, 5))


@pytest.fixture(scope="module")
def lived(world: SimulatedWorld) -> list[Sessions]:
    return list(sessions(world))


def joined(lived: list[Sessions], field: str) -> np.ndarray:
    return np.concatenate([getattr(group, field) for group in lived])


def test_the_same_seed_lives_the_same_life_and_another_seed_another(
    world: SimulatedWorld, lived: list[Sessions]
) -> None:
    again = joined(list(sessions(world)), "video")
    assert np.array_equal(again, joined(lived, "video"))
    other = make_world(seed=8, viewers=300, creators=30, videos=240, days=14, first_day=date(2026, 1, 5))
    assert not np.array_equal(other.topic, world.topic)


def test_viewers_look_less_at_later_positions_whatever_is_shown_there(lived: list[Sessions]) -> None:
    looked = joined(lived, "looked_at").mean(axis=0)
    assert looked == pytest.approx(EXAMINATION, abs=0.03)
    assert looked[0] > 2 * looked[-1]


def test_the_tastes_of_half_of_the_viewers_drift_over_the_days(world: SimulatedWorld) -> None:
    first, last = world.taste(0), world.taste(13)
    assert first.sum(axis=1) == pytest.approx(1.0)
    moved = np.abs(first - last).sum(axis=1) / 2  # total variation: 0 same taste, 1 nothing in common
    assert 0.35 < (moved > 0.2).mean() < 0.65
    assert np.abs(world.taste(6.5) - (first + last) / 2).max() < 1e-12


def test_what_viewers_finish_drifts_with_their_tastes(world: SimulatedWorld, lived: list[Sessions]) -> None:
    """Those whose favourite topic changes watch more of the new one in the last days than in the first."""
    old, new = world.taste_first.argmax(axis=1), world.taste_last.argmax(axis=1)
    restless = old != new

    def share_of(favourite: np.ndarray, days: range) -> float:
        got = [
            group.share_watched[
                group.looked_at
                & restless[group.viewer][:, None]
                & (world.topic[group.video] == favourite[group.viewer][:, None])
            ]
            for group in lived
            if group.day in days
        ]
        return float(np.concatenate(got).mean())

    assert share_of(new, range(10, 14)) > 1.25 * share_of(new, range(4))
    assert share_of(old, range(4)) > 1.25 * share_of(old, range(10, 14))


def test_no_video_is_shown_before_it_is_published_or_after_it_was_watched(
    world: SimulatedWorld, lived: list[Sessions]
) -> None:
    seen: set[tuple[int, int]] = set()
    for group in lived:
        assert (group.shown_ms > world.published_ms[group.video]).all()
        for viewer, videos, looked in zip(group.viewer.tolist(), group.video, group.looked_at, strict=True):
            assert len(set(videos.tolist())) == SLOTS
            assert not seen & {(viewer, video) for video in videos.tolist()}
            seen |= {(viewer, video) for video in videos[looked].tolist()}


def test_topic_tastes_learnt_from_two_weeks_rank_the_last_day_better_than_popularity(
    world: SimulatedWorld, lived: list[Sessions]
) -> None:
    """Else the demo would have nothing to find; and the best possible ranking stays out of reach."""
    views = np.zeros(world.videos)
    watched, met = np.full((world.viewers, len(TOPICS)), 0.5), np.ones((world.viewers, len(TOPICS)))
    for group in lived[:-3]:
        viewer = np.repeat(group.viewer, SLOTS)[group.looked_at.ravel()]
        video, share = group.video[group.looked_at], group.share_watched[group.looked_at]
        np.add.at(views, video, 1)
        np.add.at(watched, (viewer, world.topic[video]), share)
        np.add.at(met, (viewer, world.topic[video]), 1)

    def ndcg(scores: np.ndarray) -> float:
        values = []
        for group in lived[-3:]:
            gains = np.where(group.looked_at, np.minimum(group.share_watched, 1), 0)
            order = np.argsort(-scores[group.viewer[:, None], group.video], axis=1, kind="stable")
            discount = 1 / np.log2(np.arange(SLOTS) + 2)
            got = (np.take_along_axis(gains, order, axis=1) * discount).sum(axis=1)
            values.append(got / (-np.sort(-gains, axis=1) * discount).sum(axis=1).clip(1e-9))
        return float(np.concatenate(values).mean())

    popular = ndcg(np.broadcast_to(views, (world.viewers, world.videos)))
    personal = ndcg((watched / met)[:, world.topic])
    best = ndcg(world.liking(13))
    assert popular * 1.1 < personal < best < 0.95

"""What stages know of videos: as of an instant, and only what is needed and there."""

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest

from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.ranking.policy import OURS, read
from jobs.ranking.stages import known
from jobs.ranking.stages.known import least_watched, looked_up, videos_of
from tests.ranking.conftest import Make, at


@pytest.fixture
def hours_until(monkeypatch: pytest.MonkeyPatch) -> None:
    """What rises was looked at until the end of the eighth hour of the third day."""
    monkeypatch.setattr(known, "done_until", lambda job, until, settings: min(at(2, 8), until))


def listed(video: str, hour: datetime, rank: int) -> dict[str, object]:
    numbers = {"score": 9.0, "people": 9, "not_counted": 0, "lately": 9.0, "expected": 1.0}
    return {"kind": "videos", "id": video, "hour_start": hour, "rank": rank, "reason": "it rises", **numbers}


def vector(video: str, night: date, *numbers: float) -> dict[str, object]:
    of = {"kind": "video", "id": video, "model": "factors", "model_version": str(night)}
    return {**of, "event_date": night, "vector": list(numbers)}


@pytest.mark.usefixtures("hours_until")
def test_stages_know_the_newest_of_before_an_instant_and_of_vectors_those_of_an_earlier_night(
    lake: Lake, videos_of: Make
) -> None:
    spark = lake.spark
    later = {"hashtags": ["cats", "dogs"], "hashtags_at": [at(1), at(4)]}
    rows = [listed("a", at(2, 7), 2), listed("b", at(2, 6), 1)]
    lake.merge("gold.trending", rows_of(spark, "gold.trending", rows))
    nights = [
        vector("a", date(2024, 3, 1), 3, 4),
        vector("b", date(2024, 3, 2), 0, 2),
        vector("a", date(2024, 3, 3), 1, 0),
    ]
    lake.merge("gold.embeddings", rows_of(spark, "gold.embeddings", nights))
    videos = videos_of(("a", later), ("b", {"hashtags": ["cats"]}))
    found = (
        looked_up(lake, videos, at(3), {"hashtags", "rising", "vectors", "sounds", "viewers"})
        .toArrow()
        .sort_by("video_id")
    )
    assert found.column_names == ["video_id", "creator", "hashtags", "rising", "vectors"]
    made = known.videos_of(found)
    assert made.hashtags is not None and made.hashtags.toarray().tolist() == [[1], [1]]
    assert made.rising is not None and made.rising.tolist() == [2, 0]
    # Who made those of the second night waits for nobody, those of the third night come after it.
    assert made.vectors is not None and made.vectors.tolist() == [[0, 0], [0, 1]]
    assert (made.sounds, made.viewers, made.small) == (None, None, None)
    # On the fifth day nothing is known to rise.
    assert looked_up(lake, videos, at(4), {"rising"}).where("rising IS NOT NULL").isEmpty()


def test_what_no_stage_needs_is_not_looked_up(lake: Lake, videos_of: Make) -> None:
    assert looked_up(lake, videos_of("a"), at(3), frozenset()).columns == ["video_id", "creator"]
    assert read(OURS).needs == {"rising", "viewers"}


def test_creators_are_small_by_what_all_their_videos_have_and_sounds_of_ones_own_have_no_number() -> None:
    table = {
        "creator": ["ann", "ben", "ann", "cid"],
        "sounds": [None, "beep", "beep", "boop"],
        "viewers": [5, 2, None, 1],
        "views_total": [50, 4, None, 1],
    }
    made = videos_of(pa.table(table))
    assert made.creators.tolist() == [0, 1, 0, 2]
    assert made.sounds is not None and made.sounds.tolist() == [-1, 0, 0, 1]
    assert made.viewers is not None and made.viewers.tolist() == [5, 2, 0, 1]
    assert made.small is not None and made.small.tolist() == [False, True, False, True]
    assert not least_watched(np.array([0, 1]), np.array([0, 0])).any()

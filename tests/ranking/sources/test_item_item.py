"""item_item: what others watched next, with the watched video as its reason."""

from pyspark.sql import DataFrame

from jobs.ranking.candidates import candidates
from tests.ranking.conftest import DAY, TONIGHT, Make, hour, proposed


def test_what_others_watched_next_is_proposed_with_the_watched_video_as_reason(
    followed: DataFrame, videos_of: Make
) -> None:
    tonight = candidates(followed, videos_of(("a",), ("b",), ("c",)), DAY, TONIGHT)
    first, second = proposed(tonight, "new", "item_item")
    assert (first.video_id, first.because) == ("b", "a")
    assert second.video_id == "c"
    assert first.score > second.score > 0


def test_similarity_points_forward_in_time(followed: DataFrame, videos_of: Make, watches_of: Make) -> None:
    last = watches_of(("new", "b", hour(5)))
    tonight = candidates(
        followed.where("user_id <> 'new'").union(last), videos_of(("a",), ("b",), ("c",)), DAY, TONIGHT
    )
    assert [r.video_id for r in proposed(tonight, "new", "item_item")] == ["c"]

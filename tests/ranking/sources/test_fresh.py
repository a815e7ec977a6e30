"""fresh: new videos by the viewer's hashtags, every creator in turn."""

from datetime import timedelta

from jobs.ranking.candidates import candidates
from tests.ranking.conftest import DAY, MIDNIGHT, TONIGHT, Make, hour, proposed


def test_fresh_prefers_the_viewers_hashtags_and_names_one(watches_of: Make, videos_of: Make) -> None:
    videos = videos_of(
        ("old", {"hashtags": ["cats"]}),
        ("new cat", {"hashtags": ["cats"], "published_at": hour(100)}),
        ("new dog", {"hashtags": ["dogs"], "published_at": hour(101)}),
    )
    cat, dog = proposed(candidates(watches_of(("me", "old", hour(1))), videos, DAY, TONIGHT), "me", "fresh")
    assert (cat.video_id, cat.score, cat.because) == ("new cat", 1.0, "cats")
    assert (dog.video_id, dog.score, dog.because) == ("new dog", 0.0, None)


def test_fresh_knows_no_hashtag_that_was_given_later(watches_of: Make, videos_of: Make) -> None:
    watches = watches_of(("ann", "seen", hour(1)))
    old, new = MIDNIGHT - timedelta(days=9), TONIGHT + timedelta(hours=1)
    videos = videos_of(
        ("seen", {"hashtags": ["cats", "dogs"], "hashtags_at": [old, new]}),
        ("a", {"hashtags": ["dogs"]}),
        ("b", {"hashtags": ["cats"], "hashtags_at": [new]}),
        ("c", {"hashtags": ["cats"], "hashtags_at": [old]}),
    )
    best = proposed(candidates(watches, videos, DAY, TONIGHT), "ann", "fresh")
    assert [(r.video_id, r.score, r.because) for r in best] == [("c", 1.0, "cats"), ("a", 0.0, None), ("b", 0.0, None)]


def test_fresh_gives_every_creator_a_turn(watches_of: Make, videos_of: Make) -> None:
    mine = {"user_id": "busy"}
    videos = videos_of(
        ("seen",),
        *[(f"busy{n}", {**mine, "published_at": hour(100 + n)}) for n in range(3)],
        ("quiet", {"user_id": "quiet", "published_at": hour(50)}),
    )
    fresh = proposed(candidates(watches_of(("me", "seen", hour(1))), videos, DAY, TONIGHT), "me", "fresh")
    assert [r.video_id for r in fresh] == ["busy2", "quiet", "busy1", "busy0"]

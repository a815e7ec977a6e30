"""Lists of similar videos and vectors, as tables, from what the sources learned."""

import numpy as np
from pyspark.sql import DataFrame

from jobs.ranking.learn import learn
from jobs.ranking.propose import moments_at, sizes_of
from jobs.ranking.similar import embeddings, similar_videos
from jobs.ranking.sources import registry
from jobs.ranking.watched import catalogue_of, first_watches
from tests.ranking.conftest import DAY, TONIGHT, Make, hour


def test_lists_are_best_first_of_what_is_published_and_vectors_are_of_who_watched(
    followed: DataFrame, videos_of: Make, watches_of: Make
) -> None:
    skipped = watches_of(("sid", "c", hour(9), {"share_watched": 0.1}), ("cid", "d", hour(10)))
    watched = first_watches(followed.union(skipped))
    moments = moments_at(watched, TONIGHT)
    sizes = sizes_of(watched, moments)
    (snapshot,) = sizes.asked
    videos = catalogue_of(videos_of(("a",), ("b",), ("c",), ("d", {"status": "rejected"})))
    learned = learn(registry.KEPT, watched, videos, sizes.asked, sizes.watches)
    rows = similar_videos(learned, snapshot).collect()
    after_a = [r for r in rows if (r.source, r.video_id) == ("item_item", "a")]
    assert [(r.neighbour_id, r["rank"]) for r in after_a] == [("b", 1), ("c", 2)]
    assert after_a[0].score > after_a[1].score > 0
    assert {r.source for r in rows} == {"item_item", "linear", "walk"}
    assert all(r.video_id != r.neighbour_id and "d" not in (r.video_id, r.neighbour_id) for r in rows)

    vectors = embeddings(learned, watched, moments, sizes, DAY).collect()
    of = {(r.kind, r.id): np.array(r.vector) for r in vectors}
    assert {viewer for kind, viewer in of if kind == "user"} == {"ann", "ben", "cid", "new"}
    assert {video for kind, video in of if kind == "video"} == {"a", "b", "c", "d"}
    assert len({r.model_version for r in vectors}) == 1 and vectors[0].model_version.startswith("20240309-")
    # Who watched b is nearer to it than who did not.
    assert of["user", "ann"] @ of["video", "b"] > of["user", "new"] @ of["video", "b"]

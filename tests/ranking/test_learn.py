"""Learning from a part of the viewers: whole ones, counted as if all were there, and everybody is asked."""

import pytest
from pyspark.sql import DataFrame

from jobs.ranking import learn as learn_module
from jobs.ranking.learn import SHARES, draw
from jobs.ranking.propose import moments_at, propose
from jobs.ranking.watched import first_watches
from tests.ranking.conftest import TONIGHT, Make, hour

VIEWERS = [f"u{n:02}" for n in range(40)]


@pytest.fixture
def crowd(watches_of: Make) -> DataFrame:
    """Forty viewers who all watch a, and every second one b after it."""
    told = [(viewer, "a", hour(n)) for n, viewer in enumerate(VIEWERS)]
    return watches_of(*told, *[(viewer, "b", hour(n + 0.5)) for n, viewer in enumerate(VIEWERS) if n % 2])


def test_of_many_watches_those_of_some_viewers_teach_and_everybody_is_asked(
    crowd: DataFrame, videos_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn_module, "LEARNED_FROM", 30)
    watched, share = first_watches(crowd), SHARES * 30 // 60
    teach = {row.user_id for row in crowd.where(draw("user_id") < share).collect()}
    assert 10 < len(teach) < 30
    moments = moments_at(crowd.selectExpr("user_id").union(crowd.selectExpr("'stranger'")), TONIGHT)
    rows = propose(watched, videos_of(("a",), ("b",), ("c",)), moments).collect()
    found = {(row.user_id, row.source, row.video_id): row.score for row in rows}
    assert found["stranger", "popularity", "a"] == 2 * len(teach)
    assert found["stranger", "popularity", "b"] == 2 * len(teach & set(VIEWERS[1::2]))
    # All of them know what follows a, whoever it was learned from.
    assert {viewer for viewer, source, video in found if (source, video) == ("item_item", "b")} == set(VIEWERS[::2])


def test_how_much_is_watched_later_changes_nothing(
    crowd: DataFrame, watches_of: Make, videos_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn_module, "LEARNED_FROM", 60)
    later = crowd.union(watches_of(*[(viewer, "c", hour(300)) for viewer in VIEWERS]))
    videos = videos_of(("a",), ("b",), ("c",))
    moments = moments_at(crowd.select("user_id"), TONIGHT)
    before, after = (sorted(propose(first_watches(w), videos, moments).collect()) for w in (crowd, later))
    assert before == after != []

"""popular: most viewers in the shortest window in which enough is going on."""

from jobs.ranking.candidates import candidates
from tests.ranking.conftest import DAY, TONIGHT, Make, hour, proposed


def test_popular_counts_viewers_and_breaks_ties_by_id(watches_of: Make, videos_of: Make) -> None:
    watches = watches_of(
        *[(f"u{n}", "hit", hour(n)) for n in range(5)],
        *[("x", v, hour(9)) for v in ("tie2", "tie1")],
        ("me", "z", hour(9)),
    )
    tonight = candidates(watches, videos_of(("hit",), ("tie1",), ("tie2",), ("z",)), DAY, TONIGHT)
    best = proposed(tonight, "me", "popular")
    assert [(r.video_id, r.score) for r in best] == [("hit", 5.0), ("tie1", 1.0), ("tie2", 1.0)]


def test_a_quiet_week_makes_popular_look_further_back(watches_of: Make, videos_of: Make) -> None:
    tonight = candidates(watches_of(("u", "a", hour(1)), ("me", "b", hour(2))), videos_of(("a",), ("b",)), DAY, TONIGHT)
    assert proposed(tonight, "me", "popular")[0].because == "36500"

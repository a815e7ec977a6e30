"""MovieLens files come in as uploads and views, and what is held out leaves no trace in the lake."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.arrivals.handover import OtherDataHere
from jobs.evaluation.hold_out import newest_part
from jobs.imports.csv_rows import BadFile
from jobs.imports.movielens import BadHoldOut, hashtag, import_movielens
from jobs.settings import Settings

MOVIES = """movieId,title,genres
1,Toy Story (1995),Adventure|Animation
2,"Trip to the Moon, A (1902)",Sci-Fi
3,Paterson,(no genres listed)
"""
RATINGS = """userId,movieId,rating,timestamp
1,1,4.0,964982703
1,2,0.5,964982704
2,1,5.0,964981247
"""
TAGS = """userId,movieId,tag,timestamp
1,1,Will  Ferrell!,964982700
2,1,#pixar,964982701
1,1,Pixar,964982702
"""


def folder_of(path: Path, *, movies: str = MOVIES, ratings: str = RATINGS, tags: str = TAGS) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in (("movies", movies), ("ratings", ratings), ("tags", tags)):
        (path / f"{name}.csv").write_text(text, encoding="utf-8")
    return path


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def uploads_of(settings: Settings) -> dict[str, dict[str, Any]]:
    return {row["upload_id"]: row for row in lines_of(settings.landing / "manifests")}


def test_a_rating_is_a_view_of_a_fifth_per_star_and_nothing_more(tmp_path: Path, settings: Settings) -> None:
    report = import_movielens(folder_of(tmp_path / "ml"), settings)
    events = lines_of(settings.events)
    assert [(e["user_id"], e["video_id"], e["event_type"], e["share_watched"], e["event_at"]) for e in events] == [
        ("2", "1", "view", 1.0, "2000-07-30T18:20:47.000Z"),
        ("1", "1", "view", 0.8, "2000-07-30T18:45:03.000Z"),
        ("1", "2", "view", 0.1, "2000-07-30T18:45:04.000Z"),
    ]
    assert {e["watch_ms"] for e in events} == {None}
    assert (report.users, report.titles, report.watches, report.held_out, report.tags_used) == (2, 3, 3, 0, 3)
    assert report.held_out_file is None


def test_genres_come_before_tags_and_the_tag_of_most_people_before_the_others(
    tmp_path: Path, settings: Settings
) -> None:
    import_movielens(folder_of(tmp_path / "ml"), settings)
    uploads = uploads_of(settings)
    assert uploads["1"]["hashtags"] == ["adventure", "animation", "pixar", "will_ferrell"]
    assert uploads["2"]["hashtags"] == ["sci_fi"]
    assert uploads["3"]["hashtags"] == []


def test_a_title_dates_from_its_year_else_its_first_rating_else_the_first_rating_of_any(
    tmp_path: Path, settings: Settings
) -> None:
    movies = (
        MOVIES + "4,Early Bird (2018),Drama\n5,Death Note (2006–2007),Drama\n6,Nameless,Drama\n7,House (13),Drama\n"
    )
    ratings = RATINGS + "2,4,3.0,964981999\n2,6,3.0,964983000\n"
    import_movielens(folder_of(tmp_path / "ml", movies=movies, ratings=ratings), settings)
    assert {i: row["uploaded_at"] for i, row in uploads_of(settings).items()} == {
        "1": "1995-01-01T00:00:00.000Z",
        "2": "1902-01-01T00:00:00.000Z",
        "3": "2000-07-30T18:20:47.000Z",
        "4": "2000-07-30T18:33:19.000Z",
        "5": "2006-01-01T00:00:00.000Z",
        "6": "2000-07-30T18:50:00.000Z",
        "7": "2000-07-30T18:20:47.000Z",
    }


def test_importing_twice_writes_the_same_bytes_under_the_same_names(tmp_path: Path, settings: Settings) -> None:
    folder = folder_of(tmp_path / "ml")

    def written() -> dict[Path, bytes]:
        import_movielens(folder, settings, hold_out=0.5)
        files = [path for path in settings.home.rglob("*") if path.is_file() and path.parent.name != "locks"]
        return {path: path.read_bytes() for path in files}

    first = written()
    assert len(first) == 3
    assert written() == first


def test_a_second_import_of_other_content_is_refused(tmp_path: Path, settings: Settings) -> None:
    folder = folder_of(tmp_path / "ml")
    import_movielens(folder, settings, hold_out=0.5)
    with pytest.raises(OtherDataHere, match="Set REELMILL_HOME to an empty folder"):
        import_movielens(folder, settings)


@pytest.mark.parametrize(
    ("file", "text", "line", "column", "says"),
    [
        ("ratings", RATINGS.replace("rating,", "stars,"), 1, "rating", "the header says 'stars'"),
        ("ratings", RATINGS.replace("0.5", "5.5"), 3, "rating", "'5.5' is not a rating from 0.5 to 5.0"),
        ("ratings", RATINGS.replace("0.5", "good"), 3, "rating", "'good' is not a rating"),
        ("ratings", RATINGS.replace("964982704", "964982704000"), 3, "timestamp", "is not a time in whole seconds"),
        ("ratings", RATINGS + "1,2,3.0,964982799\n", 5, "movieId", "user 1 already rated movie 2 on line 3"),
        ("ratings", RATINGS + "1,9,3.0,964982799\n", 5, "movieId", "movies.csv has no movie 9"),
        ("ratings", RATINGS + "1,3,3", 5, "timestamp", "the line ends after 3 of 4 values"),
        ("ratings", RATINGS.splitlines()[0], 2, "userId", "a header and no ratings"),
        ("movies", MOVIES + "1,Again (1999),Drama\n", 5, "movieId", "movie 1 was already on an earlier line"),
        ("movies", MOVIES.replace('A (1902)"', "A (1902)"), 3, "title", "opened and not closed"),
        ("movies", MOVIES.splitlines()[0], 2, "movieId", "a header and no movies"),
        ("tags", TAGS + "1,9,funny,964982799\n", 5, "movieId", "movies.csv has no movie 9"),
        ("tags", TAGS + "1,1,,964982799\n", 5, "tag", "'' is not a tag"),
    ],
)
def test_a_bad_file_is_named_with_line_and_column_and_nothing_is_imported(
    tmp_path: Path, settings: Settings, file: str, text: str, line: int, column: str, says: str
) -> None:
    folder = folder_of(tmp_path / "ml", **{file: text})
    with pytest.raises(BadFile) as caught:
        import_movielens(folder, settings, hold_out=0.2)
    assert f"{file}.csv, line {line}, column {column}: " in str(caught.value)
    assert says in str(caught.value)
    assert not any(settings.home.iterdir())


def test_a_missing_file_is_named(tmp_path: Path, settings: Settings) -> None:
    folder = folder_of(tmp_path / "ml")
    (folder / "tags.csv").unlink()
    with pytest.raises(BadFile, match=r"tags\.csv: cannot be read"):
        import_movielens(folder, settings)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_to_hold_out_that_is_none_is_refused(tmp_path: Path, settings: Settings, share: float) -> None:
    with pytest.raises(BadHoldOut, match="give a share from 0"):
        import_movielens(folder_of(tmp_path / "ml"), settings, hold_out=share)


def test_a_hashtag_is_known_from_when_it_was_first_given_and_a_genre_from_the_start(
    tmp_path: Path, settings: Settings
) -> None:
    tags = "userId,movieId,tag,timestamp\n2,1,Pixar,1200000000\n1,1,pixar,1100000000\n1,1,funny,1000000000\n"
    import_movielens(folder_of(tmp_path / "in", tags=tags), settings)
    film = uploads_of(settings)["1"]
    given = dict(zip(film["hashtags"], film["hashtags_at"], strict=True))
    assert given["pixar"] == "2004-11-09T11:33:20.000Z"
    assert given["funny"] == "2001-09-09T01:46:40.000Z"
    assert given["adventure"] == given["animation"] == film["uploaded_at"]


def test_tags_of_the_held_out_time_stay_out_of_the_lake(tmp_path: Path, settings: Settings) -> None:
    """User 1 rates movie 1 at 100 and movie 2 at 200, which is held out; user 2 keeps everything."""
    folder = folder_of(
        tmp_path / "ml",
        ratings="userId,movieId,rating,timestamp\n1,1,4.0,100\n1,2,4.0,200\n2,2,3.0,900\n",
        tags="userId,movieId,tag,timestamp\n1,1,before,199\n1,1,after,200\n1,2,hidden,50\n2,2,other,900\n",
    )
    report = import_movielens(folder, settings, hold_out=0.5)
    uploads = uploads_of(settings)
    assert uploads["1"]["hashtags"] == ["adventure", "animation", "before"]
    assert uploads["2"]["hashtags"] == ["sci_fi", "other"]
    assert (report.tags_used, report.tags_left_out, report.held_out) == (2, 2, 1)


def test_the_time_of_a_held_out_rating_does_not_date_a_title(tmp_path: Path, settings: Settings) -> None:
    ratings = "userId,movieId,rating,timestamp\n1,1,4.0,1100\n1,3,4.0,1200\n2,3,3.0,1900\n"
    import_movielens(folder_of(tmp_path / "ml", ratings=ratings), settings, hold_out=0.5)
    assert uploads_of(settings)["3"]["uploaded_at"] == "1970-01-01T00:31:40.000Z"


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("#Sci-Fi", "sci_fi"),
        ("  Will   Ferrell ", "will_ferrell"),
        ("Schindler's List", "schindlers_list"),
        ("Desu nôto", "desu_nôto"),
        ("हिन्दी", "हिन्दी"),
        ("Ａｎｉｍｅ", "anime"),
        ("!!!", ""),
    ],
)
def test_words_become_one_hashtag(text: str, tag: str) -> None:
    assert hashtag(text) == tag


@given(text=st.text())
def test_a_hashtag_is_made_once_and_for_all(text: str) -> None:
    tag = hashtag(text)
    assert hashtag(tag) == tag
    assert not set(tag) & set("# \t\n,") and tag == tag.lower()


@given(
    rows=st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 5), st.integers(1, 30)),
        min_size=1,
        unique_by=lambda r: (r[0], r[2]),
    ),
    share=st.sampled_from([0.0, 0.1, 0.2, 0.29, 0.5, 0.9]),
)
def test_each_person_loses_exactly_the_newest_part(rows: list[tuple[int, int, int]], share: float) -> None:
    users, times, items = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    held = newest_part(users, times, items, share)
    for user in set(users.tolist()):
        mine = users == user
        kept = list(zip(times[mine & ~held], items[mine & ~held], strict=True))
        lost = list(zip(times[mine & held], items[mine & held], strict=True))
        assert len(lost) == int(mine.sum()) * round(share * 100) // 100
        assert kept
        assert not lost or max(kept) < min(lost)


def test_the_real_files_come_in_whole(shared: Path, settings: Settings) -> None:
    source = shared / "data" / "ml_latest_small"
    if not source.exists():
        pytest.skip(f"needs the MovieLens files of {source}, which are not there")
    report = import_movielens(source, settings, hold_out=0.2)
    assert (report.users, report.titles, report.watches + report.held_out) == (610, 9742, 100_836)
    assert report.tags_used + report.tags_left_out == 3683

    ratings = [line.split(",") for line in (source / "ratings.csv").read_text().splitlines()[1:]]
    events = lines_of(settings.events)
    held = pq.read_table(report.held_out_file).to_pylist()
    kept_pairs = {(e["user_id"], e["video_id"]) for e in events}
    held_pairs = {(row["user_id"], row["video_id"]) for row in held}
    assert len({e["event_id"] for e in events}) == len(events) == report.watches
    assert not kept_pairs & held_pairs
    assert kept_pairs | held_pairs == {(user, movie) for user, movie, _, _ in ratings}

    total, lost = Counter(row[0] for row in ratings), Counter(row["user_id"] for row in held)
    assert lost == {user: count // 5 for user, count in total.items()}
    cut: dict[str, datetime] = defaultdict(lambda: datetime.max.replace(tzinfo=UTC))
    for row in held:
        cut[row["user_id"]] = min(cut[row["user_id"]], row["event_at"])
    assert all(datetime.fromisoformat(e["event_at"]) <= cut[e["user_id"]] for e in events)
    assert len(uploads_of(settings)) == 9742

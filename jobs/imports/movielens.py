"""Bring a MovieLens data set in: titles as uploads, ratings as watches, tags and genres as hashtags.

Belongs here: what MovieLens' files mean in Reelmill's words. How a CSV file can be wrong: csv_rows.py. Which ratings
are kept for judging: hold_out.py. MovieLens has no impressions; making examples without them: ranking.examples.

A rating is a `view` whose share watched is rating / 5, at the time of the rating. It is nothing more: a 5.0 is no
`like` event, since then one act of a person would count twice, and a share of 1.0 already says it.
"""

import hashlib
import re
import time
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.arrivals.handover import HELD_OUT_FOLDER, Progress, hand_over, json_line, refuse_another, timestamp
from jobs.errors import ReelmillError
from jobs.evaluation.hold_out import FILE, newest_part, write_held_out
from jobs.host.locks import alone
from jobs.imports.csv_rows import BadFile, Column, decimal, read_rows, whole_number, words
from jobs.imports.titles import title_row
from jobs.media.hashtags import normal_hashtag
from jobs.settings import Settings
from serving.interactions import EventType

SOURCE = "movielens"
NO_GENRES = "(no genres listed)"
EVENTS_PER_FILE = 200_000
MAX_HASHTAGS = (
    300  # of a title, the most given first: films of the large sets have thousands, mostly of one person each
)
REPORT_EVERY = 20_000  # rows
YEAR = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)$")  # "(1995)", "(2006–2007)", "(2006–)"
FIRST_FILM_YEAR = 1870  # MovieLens' oldest title is of 1874; a smaller number in brackets is not a year
LAST_SECOND = 4_102_444_799  # the end of 2099: catches times in milliseconds

_ID = whole_number(1, 10**15)
_USER = Column("userId", "a whole number above 0", _ID)
_MOVIE = Column("movieId", "a whole number above 0", _ID)
_TIME = Column("timestamp", "a time in whole seconds since 1970", whole_number(0, LAST_SECOND))
RATINGS = (_USER, _MOVIE, Column("rating", "a rating from 0.5 to 5.0", decimal(0.5, 5.0)), _TIME)
TAGS = (_USER, _MOVIE, Column("tag", "a tag of one line", words), _TIME)
MOVIES = (_MOVIE, Column("title", "a title of one line", words), Column("genres", "genres separated by |", words))


class BadHoldOut(ReelmillError):
    """The share to hold out is not one from 0 up to 1."""


@dataclass(frozen=True)
class ImportReport:
    """What an import handed over. Ratings read = watches + held_out; tags read = tags_used + tags_left_out."""

    users: int
    titles: int
    watches: int
    held_out: int
    tags_used: int
    tags_left_out: int
    seconds: float
    manifest: Path
    event_files: tuple[Path, ...]
    held_out_file: Path | None


@dataclass(frozen=True)
class Ratings:
    """ratings.csv by column, in file order; `times` in seconds since 1970."""

    users: NDArray[np.int64]
    movies: NDArray[np.int64]
    ratings: NDArray[np.float64]
    times: NDArray[np.int64]

    def where(self, mask: NDArray[np.bool_]) -> "Ratings":
        return Ratings(self.users[mask], self.movies[mask], self.ratings[mask], self.times[mask])


def import_movielens(
    folder: Path, settings: Settings, *, hold_out: float = 0.0, progress: Progress | None = None
) -> ImportReport:
    """Read ratings.csv, tags.csv and movies.csv of `folder`; hand over one manifest and the event files.

    With `hold_out` (0 <= hold_out < 1) each person's newest part of the ratings goes to a Parquet file beside the lake,
    and with it everything that would tell of it: the tags that this person gave from then on. Nothing is written unless
    all three files are good. Importing the same again changes nothing: same names, same content, same ids.

    Raises BadFile for a file that is wrong, BadHoldOut for a share out of range, OtherDataHere for a second,
    different import into the same home.
    """
    started = time.perf_counter()
    if not 0 <= hold_out < 1:
        raise BadHoldOut(f"--hold-out {hold_out}: give a share from 0 up to, but not including, 1, such as 0.2.")
    tell = progress or (lambda what, done, total: None)
    name = f"{SOURCE}-{_fingerprint(folder, hold_out)}"
    refuse_another(settings, SOURCE, name)

    movies = _read_movies(folder / "movies.csv", tell)
    ratings = _read_ratings(folder / "ratings.csv", movies, tell)
    held = newest_part(ratings.users, ratings.times, ratings.movies, hold_out)
    kept, held_out = ratings.where(~held), ratings.where(held)
    tags, tags_used, tags_left_out = _read_tags(folder / "tags.csv", movies, held_out, tell)

    held_out_file = settings.home / FILE if hold_out else None
    if held_out_file:  # first, so that the lake never holds an import that cannot be judged
        with alone(settings, HELD_OUT_FOLDER.name):  # from which somebody may be forgotten meanwhile
            write_held_out(held_out_file, _held_out_columns(held_out))
    manifest = hand_over(settings.landing / "manifests" / f"{name}.jsonl", map(json_line, uploads(movies, tags, kept)))
    event_files = []
    order = np.lexsort((kept.movies, kept.users, kept.times))
    for part, begin in enumerate(range(0, len(order), EVENTS_PER_FILE)):
        chosen = order[begin : begin + EVENTS_PER_FILE]
        lines = map(json_line, views(kept, chosen))
        event_files.append(hand_over(settings.spool / f"{name}-{part:05d}.jsonl", lines))
        tell("writing events", begin + len(chosen), len(order))
    return ImportReport(
        users=len(np.unique(ratings.users)),
        titles=len(movies),
        watches=len(kept.users),
        held_out=len(held_out.users),
        tags_used=tags_used,
        tags_left_out=tags_left_out,
        seconds=round(time.perf_counter() - started, 3),
        manifest=manifest,
        event_files=tuple(event_files),
        held_out_file=held_out_file,
    )


def views(ratings: Ratings, chosen: NDArray[np.int64]) -> Iterator[dict[str, object]]:
    """The chosen ratings as rows of bronze.events. How long the film was on screen is unknown, so watch_ms is null."""
    for i in chosen:
        user, movie, at = int(ratings.users[i]), int(ratings.movies[i]), timestamp(int(ratings.times[i]) * 1000)
        yield {
            "event_id": f"ml-view-{user}-{movie}",
            "user_id": str(user),
            "video_id": str(movie),
            "event_type": EventType.VIEW,
            "event_at": at,
            "session_id": None,
            "position": None,
            "feed_version": None,
            "watch_ms": None,
            "share_watched": round(float(ratings.ratings[i]) / 5, 6),
            "received_at": at,
        }


def uploads(
    movies: Mapping[int, tuple[str, str]], tags: Mapping[int, dict[str, int]], kept: Ratings
) -> Iterator[dict[str, object]]:
    """The titles as rows of bronze.uploads, without media: genres, then tags by how many people gave them.

    A genre was there from the upload on; a tag from when it was first given.

    A title counts as uploaded on 1 January of the year in its name, or when it was first rated if that is earlier. Only
    kept ratings count: the first rating of a title may be held out, and its time must not show in the lake. A title
    with neither year nor rating dates from the first rating of any title, when the collection began.
    """
    first_rated: dict[int, int] = {}
    for movie, at in zip(kept.movies.tolist(), kept.times.tolist(), strict=True):
        first_rated[movie] = min(at, first_rated.get(movie, at))
    beginning = int(kept.times.min())
    for movie, (title, genres) in movies.items():
        times = [at for at in (_first_of_year(title), first_rated.get(movie)) if at is not None]
        uploaded_at = min(times, default=beginning)
        named = [] if genres == NO_GENRES else [hashtag(genre) for genre in genres.split("|")]
        given = {**tags.get(movie, {}), **dict.fromkeys(named, uploaded_at)}
        hashtags = [tag for tag in dict.fromkeys([*named, *given]) if tag][:MAX_HASHTAGS]
        yield title_row(
            str(movie),
            user_id=SOURCE,
            source=SOURCE,
            uploaded_at=timestamp(uploaded_at * 1000),
            title=title,
            hashtags=hashtags,
            hashtags_at=[timestamp(given[tag] * 1000) for tag in hashtags],
        )


def hashtag(text: str) -> str:
    """Words as one hashtag: lowercase letters (of any script), marks and digits; "_" for what stood between them.

    Apostrophes vanish: "Schindler's List" is schindlers_list. Text without any letter or digit becomes "".
    """
    words = re.sub("['’`]", "", normal_hashtag(re.sub(r"\s", "_", unicodedata.normalize("NFKC", text))))
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else "_" for c in words)
    return normal_hashtag(re.sub("_+", "_", kept).strip("_"))


def _read_movies(path: Path, tell: Progress) -> dict[int, tuple[str, str]]:
    movies: dict[int, tuple[str, str]] = {}
    for line, (movie, title, genres) in _counted(path, MOVIES, tell):
        if movie in movies:
            raise BadFile(path, f"movie {movie} was already on an earlier line", line=line, column="movieId")
        movies[movie] = (title, genres)
    if not movies:
        raise BadFile(path, "holds a header and no movies", line=2, column="movieId")
    return movies


def _read_ratings(path: Path, movies: Mapping[int, object], tell: Progress) -> Ratings:
    users, ids, values, times = array("q"), array("q"), array("d"), array("q")
    for line, (user, movie, rating, at) in _counted(path, RATINGS, tell):
        if movie not in movies:
            raise BadFile(path, f"movies.csv has no movie {movie}", line=line, column="movieId")
        users.append(user)
        ids.append(movie)
        values.append(rating)
        times.append(at)
    if not users:
        raise BadFile(path, "holds a header and no ratings", line=2, column="userId")
    ratings = Ratings(np.array(users), np.array(ids), np.array(values), np.array(times))
    order = np.lexsort((ratings.movies, ratings.users))  # stable: of two equal pairs, the earlier line comes first
    again = (np.diff(ratings.users[order]) == 0) & (np.diff(ratings.movies[order]) == 0)
    if again.any():
        second = order[1:][again].min()
        user, movie = ratings.users[second], ratings.movies[second]
        first = int(np.flatnonzero((ratings.users == user) & (ratings.movies == movie))[0])
        problem = f"user {user} already rated movie {movie} on line {first + 2}"
        raise BadFile(path, problem, line=int(second) + 2, column="movieId")
    return ratings


def _read_tags(
    path: Path, movies: Mapping[int, object], held_out: Ratings, tell: Progress
) -> tuple[dict[int, dict[str, int]], int, int]:
    """Hashtags per movie with when each was first given (seconds), those given by the most people first.

    Then how many tags were used and left out.

    A person's tags from their first held-out rating on, and on the titles held out for them, would tell the ranker what
    they watched in the time that it is judged on.
    """
    cut: dict[int, int] = {}
    for user, at in zip(held_out.users.tolist(), held_out.times.tolist(), strict=True):
        cut[user] = min(at, cut.get(user, at))
    hidden = set(zip(held_out.users.tolist(), held_out.movies.tolist(), strict=True))
    people: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    first: dict[tuple[int, str], int] = {}
    used = left_out = 0
    for line, (user, movie, tag, at) in _counted(path, TAGS, tell):
        if movie not in movies:
            raise BadFile(path, f"movies.csv has no movie {movie}", line=line, column="movieId")
        if (user, movie) in hidden or at >= cut.get(user, LAST_SECOND + 1):
            left_out += 1
            continue
        used += 1
        spelled = hashtag(tag)
        people[movie][spelled].add(user)
        first[movie, spelled] = min(at, first.get((movie, spelled), at))
    counts = {movie: Counter({tag: len(who) for tag, who in tags.items()}) for movie, tags in people.items()}
    ranked = {
        movie: {tag: first[movie, tag] for tag in sorted(count, key=lambda tag: (-count[tag], tag))}
        for movie, count in counts.items()
    }
    return ranked, used, left_out


def _counted(path: Path, columns: tuple[Column, ...], tell: Progress) -> Iterator[tuple[int, list[Any]]]:
    """Rows with their line numbers, reporting progress on the way."""
    total = _count_lines(path) - 1
    line = 1
    for line, row in enumerate(read_rows(path, columns), start=2):
        yield line, row
        if line % REPORT_EVERY == 0:
            tell(f"reading {path.name}", line - 1, total)
    tell(f"reading {path.name}", line - 1, line - 1)


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _first_of_year(title: str) -> int | None:
    """Seconds since 1970 (negative before) of 1 January of the year at the end of a title."""
    match = YEAR.search(title)
    if not match or int(match[1]) < FIRST_FILM_YEAR:
        return None
    return int(datetime(int(match[1]), 1, 1, tzinfo=UTC).timestamp())


def _fingerprint(folder: Path, hold_out: float) -> str:
    """Twelve hex digits of what is imported and how: files with the same name are the same file."""
    digest = hashlib.sha256(str(hold_out).encode())
    for name in ("movies.csv", "ratings.csv", "tags.csv"):
        try:
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise BadFile(folder / name, f"cannot be read ({error.strerror})") from None
    return digest.hexdigest()[:12]


def _held_out_columns(held_out: Ratings) -> dict[str, Any]:
    order = np.lexsort((held_out.movies, held_out.times, held_out.users))
    return {
        "user_id": [str(user) for user in held_out.users[order]],
        "video_id": [str(movie) for movie in held_out.movies[order]],
        "rating": held_out.ratings[order],
        "event_at": [datetime.fromtimestamp(int(at), UTC) for at in held_out.times[order]],
    }

"""Judge the served feeds by the ratings that `reelmill import movielens DIR --hold-out 0.2` kept out of the lake.

    python bench/holdout_ndcg.py --home var                              # the newest feeds of gold.feeds
    python bench/holdout_ndcg.py --home var --url http://127.0.0.1:8000  # what the endpoint really answers

Prints nDCG@10 of the feeds and of the most popular titles that each person has not seen (by the number of watches in
silver.watches, ties by id), both with 95% bootstrap intervals over people, and their ratio. The gain of a title is its
held-out rating / 5 (graded, the main figure) or 1 for any held-out rating (binary); discount 1 / log2(rank + 1); the
ideal list is the person's ten best held-out titles (Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
techniques", TOIS 2002). A person without a feed counts as 0. Only people with held-out ratings are judged.
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from numpy.typing import NDArray

from jobs.engine.tables import Tables
from jobs.errors import ReelmillError
from jobs.evaluation.hold_out import FILE
from jobs.settings import Settings

K = 10
DISCOUNT = 1 / np.log2(np.arange(K) + 2)
SAMPLES = 2000

Feeds = dict[str, list[str]]


class CannotJudge(ReelmillError):
    """The figures would be missing or would lie."""


def held_out_ratings(settings: Settings) -> dict[str, dict[str, float]]:
    """Per person, the held-out titles and their ratings (0.5 to 5)."""
    path = settings.home / FILE
    if not path.exists():
        raise CannotJudge(f"{path} is not there: run `reelmill import movielens DIR --hold-out 0.2` in a fresh home.")
    ratings: dict[str, dict[str, float]] = defaultdict(dict)
    for row in pq.read_table(path).to_pylist():
        ratings[row["user_id"]][row["video_id"]] = row["rating"]
    return dict(ratings)


def seen_titles(settings: Settings) -> tuple[dict[str, set[str]], Counter[str]]:
    """Per person the titles watched in the lake, and per title the number of watches."""
    columns = ["user_id", "video_id"]
    table = _delta(settings, "silver.watches").to_pyarrow_table(columns=columns)
    pairs = list(zip(*(table[column].to_pylist() for column in columns), strict=True))
    seen: dict[str, set[str]] = defaultdict(set)
    for user, video in pairs:
        seen[user].add(video)
    return dict(seen), Counter(video for _, video in pairs)


def feeds_in_lake(settings: Settings) -> tuple[Feeds, str]:
    """The first K slots of everyone in the newest feed version, and its name."""
    columns = ["user_id", "position", "video_id", "feed_version", "event_date"]
    rows = _delta(settings, "gold.feeds").to_pyarrow_table(columns=columns).to_pylist()
    if not rows:
        raise CannotJudge("gold.feeds is empty: run `reelmill pipeline nightly --date D` as of the newest day.")
    _, newest = max((row["event_date"], row["feed_version"]) for row in rows)
    feeds: Feeds = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["position"]):
        if row["feed_version"] == newest and row["position"] < K:
            feeds[row["user_id"]].append(row["video_id"])
    return dict(feeds), f"gold.feeds, version {newest}"


def feeds_over_http(url: str, users: Sequence[str]) -> tuple[Feeds, str]:
    """The first page of everyone's own feed; a stranger's fallback is no feed of one's own and is left out."""
    versions = set()

    def first_page(user: str) -> list[str]:
        address = f"{url.rstrip('/')}/v1/feed/{urllib.parse.quote(user, safe='')}?limit={K}"
        try:
            with urllib.request.urlopen(address, timeout=30) as response:
                page = json.load(response)
        except urllib.error.URLError as error:
            raise CannotJudge(f"{address} does not answer ({error}): is `reelmill serve` running?") from None
        versions.add(page["feed_version"])
        return [] if page["is_fallback"] else [slot["video_id"] for slot in page["items"]]

    with ThreadPoolExecutor(max_workers=4) as pool:
        pages = dict(zip(users, pool.map(first_page, users), strict=True))
    return {user: page for user, page in pages.items() if page}, f"{url}, version {', '.join(sorted(versions))}"


def most_popular_unseen(watches: Mapping[str, int], seen: set[str]) -> list[str]:
    """The K titles with the most watches that are not in `seen`; `watches` is in that order already."""
    chosen: list[str] = []
    for video in watches:
        if video not in seen:
            chosen.append(video)
            if len(chosen) == K:
                break
    return chosen


def ndcg(shown: Sequence[str], gains: Mapping[str, float]) -> float:
    """nDCG@K of a list of titles against the gains of the relevant ones, of which there is at least one."""
    got = np.array([gains.get(video, 0.0) for video in shown[:K]])
    best = np.sort(np.array(list(gains.values())))[::-1][:K]
    return float((got * DISCOUNT[: len(got)]).sum() / (best * DISCOUNT[: len(best)]).sum())


def with_interval(values: NDArray[np.float64], samples: NDArray[np.float64]) -> str:
    low, high = np.percentile(samples, [2.5, 97.5])
    return f"{values.mean():.4f} [{low:.4f}, {high:.4f}]"


def refuse_bad_feeds(feeds: Feeds, seen: Mapping[str, set[str]], held: Mapping[str, Mapping[str, float]]) -> None:
    """A feed must be new to its person and without repeats, and the lake must not know what was held out."""
    leaked = sum(len(seen.get(user, set()) & ratings.keys()) for user, ratings in held.items())
    if leaked:
        raise CannotJudge(
            f"{leaked} held-out ratings are in silver.watches: the lake knows the answers. Import into a fresh home."
        )
    again = [(user, video) for user, shown in feeds.items() for video in shown if video in seen.get(user, set())]
    if again:
        raise CannotJudge(
            f"{len(again)} slots show what their person has seen already, such as {again[0][1]} to user {again[0][0]}."
        )
    repeats = [user for user, shown in feeds.items() if len(set(shown)) < len(shown)]
    if repeats:
        raise CannotJudge(f"{len(repeats)} feeds show a title twice, such as that of user {repeats[0]}.")


def judge(settings: Settings, url: str | None, seed: int) -> str:
    """All figures, as text."""
    held = held_out_ratings(settings)
    users = sorted(held, key=lambda user: (len(user), user))
    seen, counts = seen_titles(settings)
    feeds, where = feeds_over_http(url, users) if url else feeds_in_lake(settings)
    feeds = {user: feeds[user] for user in users if user in feeds}
    if not feeds:
        raise CannotJudge(f"none of the {len(users)} people with held-out ratings has a feed in {where}.")
    refuse_bad_feeds(feeds, seen, held)

    by_popularity = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    popular = {user: most_popular_unseen(by_popularity, seen.get(user, set())) for user in users}
    resample = np.random.default_rng(seed).integers(0, len(users), (SAMPLES, len(users)))
    lines = [
        f"{where}: {len(feeds)} of {len(users)} people have a feed, "
        f"{len({video for shown in feeds.values() for video in shown})} titles shown in {K} slots each",
        f"mean nDCG@{K} over people, with 95% interval of {SAMPLES} bootstrap samples (seed {seed})",
        f"{'gain':<22}{'served feed':<28}{'most popular unseen':<28}ratio",
    ]
    for name, scale in (("rating / 5 (graded)", 5.0), ("any rating (binary)", None)):
        served, baseline = [], []
        for user in users:
            gains = {video: rating / scale if scale else 1.0 for video, rating in held[user].items()}
            served.append(ndcg(feeds.get(user, []), gains))
            baseline.append(ndcg(popular[user], gains))
        ours, theirs = np.array(served), np.array(baseline)
        our_samples, their_samples = ours[resample].mean(axis=1), theirs[resample].mean(axis=1)
        low, high = np.percentile(our_samples / their_samples, [2.5, 97.5])
        lines.append(
            f"{name:<22}{with_interval(ours, our_samples):<28}{with_interval(theirs, their_samples):<28}"
            f"{ours.mean() / theirs.mean():.2f} [{low:.2f}, {high:.2f}]"
        )
    return "\n".join(lines)


def _delta(settings: Settings, table: str) -> DeltaTable:
    try:
        return Tables.of(settings).open(table)
    except TableNotFoundError:
        raise CannotJudge(f"{table} is no table yet: run `reelmill pipeline nightly --date D` first.") from None


@click.command(help=(__doc__ or "").replace("    python", "\b\n    python", 1))  # \b: click keeps the lines as they are
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="REELMILL_HOME of the run to judge.")
@click.option("--url", help="Ask this endpoint for the feeds instead of reading gold.feeds.")
@click.option("--seed", default=7, show_default=True, help="Of the bootstrap.")
def main(home: Path | None, url: str | None, seed: int) -> None:
    settings = Settings(home=home) if home else Settings()
    try:
        click.echo(judge(settings, url, seed))
    except ReelmillError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

"""The script that judges feeds by held-out ratings: its figures by hand, and what it refuses to judge."""

import importlib.util
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import write_deltalake

from jobs.evaluation.hold_out import FILE, write_held_out
from jobs.settings import REPOSITORY, Settings

Rows = list[tuple[str, str]]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("holdout_ndcg", REPOSITORY / "bench" / "holdout_ndcg.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hold(settings: Settings, rows: list[tuple[str, str, float]]) -> None:
    users, videos, ratings = zip(*rows, strict=True)
    columns = {"user_id": list(users), "video_id": list(videos), "rating": list(ratings)}
    write_held_out(settings.home / FILE, columns | {"event_at": [datetime(2018, 1, 1, tzinfo=UTC)] * len(rows)})


def watched(settings: Settings, rows: Rows) -> None:
    table = pa.table({"user_id": [user for user, _ in rows], "video_id": [video for _, video in rows]})
    write_deltalake(str(settings.lake / "silver" / "watches"), table)


def fed(settings: Settings, feeds: dict[str, list[str]], version: str, day: date) -> None:
    rows = [(user, i, video) for user, videos in feeds.items() for i, video in enumerate(videos)]
    columns: dict[str, Any] = {
        "user_id": [row[0] for row in rows],
        "position": [row[1] for row in rows],
        "video_id": [row[2] for row in rows],
        "feed_version": [version] * len(rows),
        "event_date": [day] * len(rows),
    }
    write_deltalake(str(settings.lake / "gold" / "feeds"), pa.table(columns), mode="append")


@contextmanager
def endpoint(feeds: dict[str, list[str]]) -> Iterator[str]:
    """Answers as the real one does: a stranger gets the fallback feed, and is told so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            user = self.path.split("/")[3].partition("?")[0]
            items = [{"video_id": video} for video in feeds.get(user, ["c"])]
            page = {"feed_version": "v9", "is_fallback": user not in feeds, "items": items}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(page).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_ndcg_of_a_list_is_that_of_a_calculation_by_hand(script: ModuleType) -> None:
    """Shown x, b, a against a = 1.0 and b = 0.4: (0.4 / log2(3) + 1.0 / log2(4)) / (1.0 + 0.4 / log2(3))."""
    assert script.ndcg(["x", "b", "a"], {"a": 1.0, "b": 0.4}) == pytest.approx((0.25237 + 0.5) / 1.25237, abs=1e-5)
    assert script.ndcg(["a", "b"], {"a": 1.0, "b": 0.4}) == 1.0
    assert script.ndcg([], {"a": 1.0}) == 0.0


def test_only_the_newest_feeds_count_and_popularity_skips_what_was_seen(script: ModuleType, settings: Settings) -> None:
    hold(settings, [("1", "c", 5.0), ("2", "a", 2.5)])
    watched(settings, [("1", "a"), ("3", "a"), ("2", "b"), ("3", "b"), ("3", "c"), ("1", "d")])
    fed(settings, {"1": ["x"], "2": ["x"]}, "old", date(2018, 1, 1))
    fed(settings, {"1": ["c"]}, "new", date(2018, 1, 2))
    text = script.judge(settings, None, seed=7)
    assert "gold.feeds, version new: 1 of 2 people have a feed" in text
    graded = next(line for line in text.splitlines() if line.startswith("rating / 5"))
    # Person 1 is shown c, hence 1; person 2 nothing, hence 0. By popularity: 1 gets b, c (second: 0.6309), 2 gets a.
    assert "0.5000 [0.0000, 1.0000]" in graded
    assert "0.8155 [0.6309, 1.0000]" in graded


def test_the_endpoint_is_asked_for_everyone_and_a_fallback_is_no_feed(script: ModuleType, settings: Settings) -> None:
    hold(settings, [("1", "c", 5.0), ("2", "c", 5.0)])
    watched(settings, [("1", "a"), ("3", "c")])
    with endpoint({"1": ["c"]}) as url:
        text = script.judge(settings, url, seed=7)
    assert "version v9: 1 of 2 people have a feed" in text


@pytest.mark.parametrize(
    ("watches", "feeds", "says"),
    [
        ([("1", "a")], {"1": ["a", "c"]}, "1 slots show what their person has seen already, such as a to user 1"),
        ([("1", "c")], {"1": ["b"]}, "1 held-out ratings are in silver.watches: the lake knows the answers"),
        ([("1", "a")], {"1": ["b", "b"]}, "1 feeds show a title twice, such as that of user 1"),
        ([("1", "a")], {"9": ["b"]}, "none of the 1 people with held-out ratings has a feed"),
    ],
    ids=["seen before", "leak", "repeat", "other people"],
)
def test_figures_that_would_lie_are_refused(
    script: ModuleType, settings: Settings, watches: Rows, feeds: dict[str, list[str]], says: str
) -> None:
    hold(settings, [("1", "c", 5.0)])
    watched(settings, watches)
    fed(settings, feeds, "v1", date(2018, 1, 1))
    with pytest.raises(script.CannotJudge) as caught:
        script.judge(settings, None, seed=7)
    assert says in str(caught.value)


def test_what_is_missing_is_named_in_one_line(script: ModuleType, tmp_path: Path) -> None:
    home = tmp_path / "home"
    result = CliRunner().invoke(script.main, ["--home", str(home)])
    assert result.exit_code == 1 and "movielens.parquet is not there: run `reelmill import" in result.output
    hold(Settings(home=home), [("1", "c", 5.0)])
    result = CliRunner().invoke(script.main, ["--home", str(home)])
    assert result.exit_code == 1 and "watches is no table yet: run `reelmill pipeline nightly" in result.output
    assert len(result.output.splitlines()) == 1

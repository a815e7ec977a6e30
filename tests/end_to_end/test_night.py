"""A whole night on a tiny platform: from watches to what Redis serves."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import pytest
import redis
from click.testing import CliRunner
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import data_contracts
from jobs.command.cli import cli
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.evaluation import explored
from jobs.features import users, videos
from jobs.feeds import audit, build, publish
from jobs.feeds.arms import alike
from jobs.feeds.explain import NothingToExplain, explain, why_not
from jobs.feeds.shown import shown
from jobs.feeds.slots import candidates_of
from jobs.host.redis_server import redis_url
from jobs.ranking import candidates, examples, train
from jobs.ranking.orders import Order
from jobs.ranking.policy import OURS
from jobs.ranking.rebuild import NotRebuilt, rebuild
from jobs.ranking.serving import serving
from jobs.settings import Settings
from serving.feed_store.writer import FeedStore

START = datetime(2024, 3, 1, tzinfo=UTC)
NIGHT = Window.of_day(date(2024, 3, 6))
VIEWERS, TITLES = 40, 60


def _fill(lake: Lake, table: str, rows: list[dict[str, Any]]) -> None:
    lake.merge(table, rows_of(lake.spark, table, rows))


@pytest.fixture(scope="module")
def platform(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """40 viewers, each of whom walks through the titles of one of three tastes; nobody was shown anything by us.

    After its night, with the feeds built and not yet published. No test may change its tables.
    """
    lake = Lake(spark, Settings(home=tmp_path_factory.mktemp("platform")))
    chance = np.random.default_rng(1)
    titles = [
        {"video_id": f"v{n:02}", "user_id": f"maker{n % 9}", "title": f"Title {n}", "hashtags": [f"taste{n % 3}"]}
        | {"status": "published", "published_at": START - timedelta(days=9), "source": "api"}
        for n in range(TITLES)
    ]
    watches = []
    for viewer in range(VIEWERS):
        begin = START + timedelta(hours=int(chance.integers(0, 120)))
        for step in range(15):
            taste, place = viewer % 3, step + int(chance.integers(0, 3))
            share = round(float(chance.uniform(0.2, 1.0)), 3)
            row: dict[str, Any] = {
                c.name: False for c in data_contracts.load("silver.watches").columns if c.type == "boolean"
            }
            row |= {"user_id": f"u{viewer:02}", "video_id": f"v{3 * place + taste:02}", "watch_ms": 1000}
            row |= {"started_at": begin + timedelta(minutes=step), "share_watched": share, "is_finished": share >= 0.9}
            watches.append(row)
    _fill(lake, "silver.videos", titles)
    _fill(lake, "silver.watches", watches)
    view = {"event_type": "view", "user_id": "u00", "video_id": "v00", "event_id": "e", "event_at": START}
    _fill(lake, "bronze.events", [view | {"received_at": START, "share_watched": 0.5}])
    every_day = Window.of_days(START.date(), NIGHT.day)
    users.run(lake, every_day)
    videos.run(lake, every_day)
    for job in (candidates.run, examples.run, train.run, build.run, audit.run):
        job(lake, NIGHT)
    return lake


def test_a_night_ends_in_redis(platform: Lake) -> None:
    (ranker,) = platform.read("gold.models").collect()
    assert 0 < ranker.popularity_ndcg_at_10 < 1
    # Forty viewers are too few to judge by, and everybody has a feed in the sources' own order.
    assert (ranker.verdict, ranker.evaluated_viewers <= VIEWERS) == ("unjudged", True)
    assert serving(platform, NIGHT.day + timedelta(days=1)) is None
    verdicts = platform.read("gold.verdicts").collect()
    assert [r.system for r in verdicts if r.is_serving] == ["item_item_order"]
    assert not any(r.is_judged for r in verdicts)

    publish.run(platform, NIGHT)
    feeds = platform.read("gold.feeds").orderBy("user_id", "position").collect()
    assert {r.model_version for r in feeds} == {"item_item_order"}
    assert {r.user_id for r in feeds} == {f"u{n:02}" for n in range(VIEWERS)}
    with redis_url(platform.settings) as url, FeedStore(url) as store, redis.Redis.from_url(url) as client:
        assert store.current_version() == feeds[0].feed_version
        generation = cast(bytes, client.get("feed:current")).decode().split()[0]
        mine = shown("u07", platform.settings).slots
        assert [s["video_id"] for s in mine] == [r.video_id for r in feeds if r.user_id == "u07"]
        assert mine[0]["title"].startswith("Title ") and mine[0]["reason"]
        assert client.llen(f"feed:{generation}:fallback") == 50
        card = orjson.loads(cast(bytes, client.get("video:v00")))
        assert card["title"] == "Title 0" and card["views"] > 0


def test_serving_computes_the_same_features_as_training(platform: Lake) -> None:
    """Tonight's candidates as examples of tonight, joined by point in time, are the rows that the ranker scores."""
    from jobs.features.store import point_in_time
    from jobs.ranking.features import ranker_features, side_by_side, source_features, with_age

    proposed = platform.read("gold.candidates").where("user_id < 'u05'")
    known = build.tonight(platform, proposed, NIGHT.end)
    made = candidates_of(known.said.toArrow(), known.catalogue, known.columns)
    serving = made.frame.assign(
        user_id=np.array(made.viewers)[made.viewer], video_id=np.array(known.catalogue.videos)[made.video]
    )
    asked = with_age(side_by_side(proposed.withColumn("at", F.lit(NIGHT.end))), platform.read("silver.videos"))
    training = point_in_time(platform, asked.select("user_id", "video_id", "at", *source_features())).toPandas()
    key, names = ["user_id", "video_id"], list(ranker_features())
    there, here = (frame.set_index(key).sort_index()[names] for frame in (training, serving))
    assert there.index.equals(here.index) and len(here) > 100
    np.testing.assert_array_equal(here.to_numpy(dtype=np.float32), there.to_numpy(dtype=np.float32, na_value=np.nan))


def test_a_night_without_feeds_publishes_nothing_and_says_what_to_run(platform: Lake) -> None:
    with pytest.raises(ReelmillError, match=r"reelmill run feeds\.build --date 2024-03-07"):
        publish.run(platform, Window.of_day(date(2024, 3, 7)))


def test_a_feed_is_explained_as_it_was_built(platform: Lake) -> None:
    feeds = platform.read("gold.feeds").where("user_id = 'u07'").orderBy("position").collect()
    explained = explain(platform, "u07", NIGHT.day)
    assert explained.system == "item_item_order"
    shown = [one for one in explained.candidates if one.position is not None]
    assert [(one.video_id, one.position, round(one.score, 6)) for one in shown] == [
        (slot.video_id, slot.position, round(slot.score, 6)) for slot in feeds
    ]
    assert [one.propensity for one in shown] == [slot.propensity for slot in feeds]
    by_chance = any(one.propensity for one in shown)
    for one in explained.candidates:
        assert sum(part.adds for part in one.parts) == pytest.approx(one.score, abs=1e-6)
        assert one.proposed
        assert by_chance or one.moved or one.position is None or one.position <= one.place


def test_of_two_policies_it_is_said_what_differs_and_for_how_many_viewers(
    platform: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELMILL_HOME", str(platform.settings.home))
    mine = tmp_path / "mine.yml"
    mine.write_text(OURS.read_text().replace("value: 2", "value: 0", 1))
    done = CliRunner().invoke(cli, ["policy", "diff", str(mine)])
    assert done.exit_code == 0, done.output
    assert "places" in done.output and "decay" not in done.output
    assert f"of {VIEWERS} viewers of {NIGHT.day}, the first 10 slots differ for " in " ".join(done.output.split())
    same = CliRunner().invoke(cli, ["policy", "diff", str(OURS)])
    assert "both have the same numbers" in same.output


def test_a_video_that_is_not_in_a_feed_is_told_why(platform: Lake) -> None:
    watched = platform.read("silver.watches").where("user_id = 'u07'").select("video_id").first()
    assert watched is not None
    assert "had watched" in why_not(platform, "u07", watched.video_id, NIGHT.day)
    assert "there is no video" in why_not(platform, "u07", "absent", NIGHT.day)
    with pytest.raises(NothingToExplain, match="the endpoint gives them the fallback"):
        explain(platform, "stranger", NIGHT.day)


@pytest.fixture(scope="module")
def explorations(platform: Lake) -> list[dict[str, Any]]:
    """Three candidates of each viewer as if chance had shown them and something had followed: in gold.explorations."""
    chance = np.random.default_rng(4)
    feed = platform.read("gold.feeds").first()
    assert feed is not None
    pairs = platform.read("gold.candidates").select("user_id", "video_id").distinct().collect()
    rows = []
    for user in sorted({pair.user_id for pair in pairs}):
        own = sorted(pair.video_id for pair in pairs if pair.user_id == user)
        for position, video in enumerate(chance.choice(own, 3, replace=False)):
            row = {"user_id": user, "video_id": str(video), "position": position, "propensity": 1 / len(own)}
            row |= {"feed_version": feed.feed_version, "model_version": feed.model_version}
            row |= {"reward": int(chance.integers(0, 5)), "shown_at": NIGHT.end, "event_date": NIGHT.end.date()}
            rows.append(row)
    _fill(platform, "gold.explorations", rows)
    return rows


def test_an_order_is_judged_by_the_drawn_videos_that_the_feeds_it_would_have_made_hold(
    platform: Lake, explorations: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # There are fewer candidates than slots here; a feed that holds all of them would tell nothing.
    monkeypatch.setattr(explored, "SLOTS", 10)
    (model,) = platform.read("gold.models").collect()
    names = ["fusion_order", "item_item_order", model.model_version]
    fusion, own, trees = explored.judge(platform, names)
    known = build.tonight(platform, platform.read("gold.candidates"), NIGHT.end)
    made = build.slots(known, alike(Order(None), known.policy), NIGHT.day, 0).where("position < 10").collect()
    feeds = {(slot.user_id, slot.video_id) for slot in made}
    weights = [((row["user_id"], row["video_id"]) in feeds) / 10 / row["propensity"] for row in explorations]
    earned = np.mean([weight * row["reward"] for weight, row in zip(weights, explorations, strict=True)])
    assert fusion.estimates.ips.value == pytest.approx(earned) and fusion.nights == 1
    assert fusion.estimates.mean_weight.value == pytest.approx(np.mean(weights))
    assert fusion.served.ips == own.estimates.ips != fusion.estimates.ips
    assert own.difference == (0, 0, 0)
    assert fusion.difference.value == pytest.approx(fusion.estimates.dr.value - own.estimates.dr.value)
    # A model is judged from its own night on.
    assert (trees.nights, trees.estimates.rows) == (1, len(explorations))


@pytest.mark.usefixtures("explorations")
def test_the_command_prints_it_and_names_what_it_does_not_know(
    platform: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REELMILL_HOME", str(platform.settings.home))
    words = ["evaluate", "--counterfactual", "--json", str(tmp_path / "found.json"), "--model"]
    done = CliRunner().invoke(cli, [*words, "popularity_order"])
    assert done.exit_code == 0, done.output
    (found,) = orjson.loads((tmp_path / "found.json").read_bytes())["systems"]
    assert found["name"] == "popularity_order" and found["served"]["rows"] == found["rows"] == 3 * VIEWERS
    assert "popularity_order" in done.output and "what served" in done.output
    unknown = CliRunner().invoke(cli, [*words, "nobodys_order"])
    assert "no plain order nobodys_order" in str(unknown.exception) + unknown.output


def test_a_model_comes_out_again_with_the_same_bytes_and_a_lost_file_is_written_again(platform: Lake) -> None:
    (ranker,) = platform.read("gold.models").collect()
    again = rebuild(platform.settings, ranker.model_version)
    content = again.path.read_bytes()
    assert (again.was_missing, again.bytes) == (False, len(content))
    again.path.unlink()
    assert rebuild(platform.settings, ranker.model_version).was_missing
    assert again.path.read_bytes() == content
    again.path.write_bytes(content + b" ")
    with pytest.raises(NotRebuilt, match="other bytes"):
        rebuild(platform.settings, ranker.model_version)
    again.path.write_bytes(content)
    with pytest.raises(NotRebuilt, match="no model of'that name"):
        rebuild(platform.settings, "of'that name")

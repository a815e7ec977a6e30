"""A stream and its tables belong together: what a table lost is not skipped because a checkpoint says it was read."""

import json
import shutil
from collections.abc import Callable
from datetime import date

import pytest

from jobs.engine.lake import Lake
from jobs.engine.stream import CheckpointAhead
from jobs.engine.window import Window
from jobs.events import ingest

DAY = Window.of_day(date(2024, 3, 1))
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def _take_in(lake: Lake, event_id: str) -> list[str]:
    """One event through the spool; returns the ids in the table as a run that begins now sees them."""
    said = {"event_id": event_id, "user_id": "ann", "video_id": "cats", "event_type": "like"}
    times = {"event_at": "2024-03-01T10:00:00Z", "received_at": "2024-03-01T10:00:05Z"}
    lake.settings.events.mkdir(parents=True, exist_ok=True)
    (lake.settings.events / f"{event_id}.jsonl").write_text(json.dumps(said | times) + "\n")
    ingest.run(Lake(lake.spark, lake.settings), DAY)
    return sorted(row.event_id for row in Lake(lake.spark, lake.settings).read(ingest.TABLE).collect())


def test_a_table_that_lost_what_its_checkpoint_has_read_is_refused_until_both_fit(lake: Lake) -> None:
    table, settings = lake.settings.lake / "bronze" / "events", lake.settings
    assert _take_in(lake, "e1") == ["e1"]
    backup = shutil.copytree(table, settings.home / "backup")
    assert _take_in(lake, "e2") == ["e1", "e2"]

    lost: list[Callable[[], object]] = [
        lambda: lake.spark.sql(f"RESTORE TABLE delta.`{table}` TO VERSION AS OF 1"),
        lambda: shutil.copytree(backup, table),
        lambda: lake.create(ingest.TABLE),
    ]
    for lose in lost:
        kept = shutil.copytree(table, settings.home / "kept")
        if lose is not lost[0]:
            shutil.rmtree(table)
        lose()
        with pytest.raises(CheckpointAhead, match=r"bronze\.events .*remove .*events\.ingest and run again"):
            _take_in(lake, "e3")
        assert [path.name for path in settings.events.glob("*.jsonl")] == ["e3.jsonl"]
        shutil.rmtree(table)
        kept.rename(table)
    assert _take_in(lake, "e3") == ["e1", "e2", "e3"]

    # Started anew, the stream reads again what is still in the spool and its archive, and each counts once.
    shutil.rmtree(table)
    shutil.copytree(backup, table)
    shutil.rmtree(settings.checkpoints / "events.ingest")
    for file in settings.events.glob("_archive/*/*.jsonl"):
        file.rename(settings.events / file.name)
    assert _take_in(lake, "e4") == ["e1", "e2", "e3", "e4"]

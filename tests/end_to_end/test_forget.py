"""Whom a home forgets at once stands in no byte of it: not in its tables, files, logs or Redis."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.engine.query import query
from jobs.ops.forget import forget, look
from jobs.pipeline import JOBS
from jobs.settings import Settings

VIEWER, CREATOR = "viewer-0003", "creator-001"


@pytest.fixture
def home(night: Path, tmp_path: Path) -> Settings:
    """A copy of the night's home, without sockets."""
    return Settings(home=shutil.copytree(night, tmp_path / "home", ignore=_not_files))


def _not_files(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not (Path(folder, name).is_file() or Path(folder, name).is_dir())]


def naming(settings: Settings, *texts: str) -> dict[str, list[str]]:
    """By text, the places in which it stands, be it packed in the pages of a Parquet file."""
    found: dict[str, list[str]] = {text: [] for text in texts}
    for path in sorted(path for path in settings.home.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += str(pq.read_table(path).to_pylist()).encode()
        for text in texts:
            if text.encode() in content:
                found[text].append(str(path.relative_to(settings.home)))
    return found


def test_no_byte_of_a_home_names_a_viewer_or_a_creator_whom_it_forgot(home: Settings) -> None:
    before = naming(home, VIEWER, CREATOR)
    kept = [places for places in before.values() if {place.split("/")[0] for place in places} >= {"lake", "redis"}]
    assert len(kept) == 2
    theirs, _ = look(CREATOR, JOBS.values(), home)
    for person in (VIEWER, CREATOR):
        report = forget(person, JOBS.values(), home, at_once=True)
        places = {one.place for one in report.removed}
        assert {"spool", "bronze.events", "silver.watches", "gold.feeds", "entities of Feast online"} <= places
        assert ("folders of the media store" in places) == (person == CREATOR)
    assert naming(home, VIEWER, CREATOR) == {VIEWER: [], CREATOR: []}
    ids = ", ".join(f"'{video}'" for video in theirs.videos)
    for table in ("silver.watches", "gold.feeds", "gold.candidates", "gold.video_daily", "gold.similar_videos"):
        sql = f"SELECT count_if(video_id IN ({ids})), count(*) > 0 FROM {table}"
        assert query(sql, home)[1] == [(0, True)]

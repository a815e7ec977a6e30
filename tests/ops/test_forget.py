"""A person leaves every place of a home, whoever else is in it stays, and the same again finds nothing."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts import load, tables
from jobs.engine.tables import QUARANTINE, Tables
from jobs.engine.upkeep import VERSIONS_KEPT, tend
from jobs.ops import traces
from jobs.ops.forget import NotRead, Report, forget, look
from jobs.ops.person import Person
from jobs.pipeline import JOBS
from jobs.settings import Settings
from serving import incoming, landing
from serving.incoming import Incoming, Note, UploadUnknown
from serving.limits import Limits
from tests.contracted import put

# Whose ids begin and end like another's, and stand first and last among those that files and logs sum up.
ANN, BEN, ANN_TOO = "!ann", "ben", "!ann-too"
THEIRS = Person(ANN, frozenset({"!cats"}))
NAMING = [table for table in tables() if THEIRS.naming(load(table))]
MADE_BY = ("bronze.uploads", "silver.videos")


def rows(table: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of a table that name ANN or their video, by one column each, and rows that do not."""
    naming = THEIRS.naming(load(table))
    other = {column: BEN if ANN in ids else "dogs" for column, ids, _ in naming}
    kinds = {"kind": "video"} if any(only and only[0] == "kind" for *_, only in naming) else {}
    theirs = [{**other, column: min(ids), **({only[0]: min(only[1])} if only else {})} for column, ids, only in naming]
    if table in MADE_BY:
        theirs = [{column: min(ids) for column, ids, _ in naming}]
    alike = {column: ANN_TOO if ANN in ids else "!cats-too" for column, ids, _ in naming}
    return theirs, [{**other, **kinds}, {**alike, **kinds}]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every table that can name somebody, with rows that do, in two versions; and what was set aside of one."""
    settings = Settings(home=tmp_path_factory.mktemp("made") / "home")
    for table in NAMING:
        theirs, others = rows(table)
        put(settings, table, *theirs, *others[:1])
        put(settings, table, *others[1:])
    aside = {"job": "events.ingest", "run_id": "r", "rules": ["line_is_an_event"]}
    for number, who in enumerate((ANN, BEN, ANN_TOO)):
        row = json.dumps({"file": "f", "line": f'{{"user_id": "{who}", "vid', "reason": "torn", "copy": 1})
        put(settings, f"{QUARANTINE}.bronze.events", {**aside, "rejected_id": str(number), "row": row})
    return settings.lake


@pytest.fixture
def lived_in(made: Path, settings: Settings) -> Settings:
    shutil.copytree(made, settings.lake)
    return settings


def named(settings: Settings, table: str) -> list[dict[str, Any]]:
    columns = sorted({column for column, *_ in THEIRS.naming(load(table))})
    found: list[dict[str, Any]] = Tables.of(settings).open(table).to_pyarrow_table(columns=columns).to_pylist()
    return found


def holding(settings: Settings, text: str) -> list[Path]:
    """The files of the home in which a text stands, be it in the rows of a Parquet file."""
    files = [path for path in settings.home.rglob("*") if path.is_file()]
    return [
        path
        for path in files
        if f"{text}\n" in path.read_bytes().replace(b'"', b"\n").decode(errors="replace")
        or (path.suffix == ".parquet" and f"'{text}'" in str(pq.read_table(path).to_pylist()))
    ]


def test_of_every_table_just_the_rows_go_that_name_a_person_or_their_videos(lived_in: Settings) -> None:
    report = forget(ANN, JOBS.values(), lived_in)
    for table in NAMING:
        theirs, others = rows(table)
        assert sorted(map(str, named(lived_in, table))) == sorted(
            str({name: row[name] for name in sorted(row) if name != "kind"}) for row in others
        ), table
        assert [one.count for one in report.removed if one.place == table] == [len(theirs)]
    (aside,) = (one for one in report.removed if one.place == "quarantine.bronze.events")
    assert aside.count == 1
    left = Tables.of(lived_in).open("quarantine.bronze.events").to_pyarrow_table().column("rejected_id").to_pylist()
    assert sorted(left) == ["1", "2"]
    assert look(ANN, JOBS.values(), lived_in) == (traces.Traces(ANN), [])
    assert forget(ANN, JOBS.values(), lived_in) == Report((), ())


def test_older_versions_have_them_for_as_long_as_the_report_says(lived_in: Settings) -> None:
    before = {table: Tables.of(lived_in).version(table) for table in NAMING}
    began = datetime.now(UTC)
    report = forget(ANN, JOBS.values(), lived_in)
    until = [one.readable_until for one in report.removed if one.place in NAMING]
    assert "run `reelmill upkeep` after" in report.notes[0]
    assert all(at is not None and began < at - VERSIONS_KEPT < datetime.now(UTC) for at in until)
    for table, version in before.items():
        older = Tables.of(lived_in).open(table, version).to_pyarrow_table()
        assert older.num_rows == sum(map(len, rows(table))), table
    # Some day after that the job tends its table, of which so much was removed a week ago.
    for table in NAMING:
        _age(lived_in, table)
        tend(table, lived_in)
        with pytest.raises(FileNotFoundError):
            Tables.of(lived_in).open(table, before[table]).to_pyarrow_table()


def _age(settings: Settings, table: str) -> None:
    """What was removed of a table was removed before as long as versions are kept."""
    long_ago = int((datetime.now(UTC) - VERSIONS_KEPT - timedelta(minutes=1)).timestamp() * 1000)
    folder = Path(Tables.of(settings).uri(table).removeprefix("file://"))
    for commit in (folder / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for action in actions:
            if "remove" in action:
                action["remove"]["deletionTimestamp"] = long_ago
        commit.write_text("\n".join(map(json.dumps, actions)))


def test_at_once_no_byte_is_left_also_of_what_only_older_versions_have(lived_in: Settings) -> None:
    forget(ANN, JOBS.values(), lived_in)
    assert look(ANN, JOBS.values(), lived_in)[1] == [] and holding(lived_in, ANN)
    forget(ANN, JOBS.values(), lived_in, at_once=True)
    assert holding(lived_in, ANN) == []
    assert len(named(lived_in, "silver.watches")) == len(rows("silver.watches")[1])
    assert holding(lived_in, "!cats") == []
    # The first of those who are left is named by the log's sums of what was written just now.
    assert holding(lived_in, ANN_TOO)
    forget(ANN_TOO, JOBS.values(), lived_in, at_once=True)
    assert holding(lived_in, ANN_TOO) == []
    put(lived_in, "silver.watches", {"user_id": BEN})
    assert BEN in str(named(lived_in, "silver.watches")[-1])


def test_lines_go_where_they_stand_also_of_a_file_that_an_endpoint_is_writing(settings: Settings) -> None:
    line = '{{"event_id": "e", "user_id": "{}", "video_id": "dogs"}}\n'
    spool = settings.spool
    for place in ("waiting.jsonl", "_archive/2026-01-01/taken.jsonl", "rejected/2026-01-01.jsonl", ".writing.jsonl"):
        (spool / place).parent.mkdir(parents=True, exist_ok=True)
        (spool / place).write_text(line.format(ANN) + line.format(ANN_TOO))
    with (spool / ".writing.jsonl").open("a") as writing:
        (removed,) = forget(ANN, JOBS.values(), settings).removed
        writing.write(line.format(BEN))
    assert (removed.place, removed.count) == ("spool", 4)
    for file in spool.rglob("*.jsonl"):
        assert [json.loads(text)["user_id"] for text in file.read_text().splitlines() if text.strip()][:1] == [ANN_TOO]
    assert [text.strip() for text in (spool / ".writing.jsonl").read_text().splitlines()][2] == line.format(BEN).strip()


def test_a_creator_takes_files_and_media_along_that_nobody_elses_upload_needs(settings: Settings) -> None:
    for name in ("files/!cats.mp4", "files/dogs.mp4"):
        (settings.landing / name).parent.mkdir(parents=True, exist_ok=True)
        (settings.landing / name).write_bytes(b"clip")
    for name in ("only-theirs", "of-both"):
        (settings.media / name).mkdir(parents=True)
    cats = {"upload_id": "!cats", "user_id": ANN, "media_file": "files/!cats.mp4"}
    lies = {"upload_id": "lies", "user_id": ANN, "media_file": "../secret"}
    (settings.landing / "manifests").mkdir()
    (settings.landing / "manifests" / "m.jsonl").write_text(f"{json.dumps(cats)}\n{json.dumps(lies)}\nno json\n")
    put(settings, "bronze.uploads", cats, {"upload_id": "dogs", "user_id": BEN, "media_file": "files/dogs.mp4"})
    put(settings, "silver.videos", {"video_id": "!cats", "user_id": ANN, "media_hash": "only-theirs"})
    put(settings, "silver.videos", {"video_id": "!cats2", "user_id": ANN, "media_hash": "of-both"})
    put(settings, "silver.videos", {"video_id": "dogs", "user_id": BEN, "media_hash": "of-both"})
    secret = settings.home / "secret"
    secret.write_text("key")
    on_their_way = Incoming(settings.landing, Limits())
    theirs, of_ben = (on_their_way.begin(Note(who, "T", (), "a.mp4", "", 9), datetime.now(UTC)) for who in (ANN, BEN))
    report = forget(ANN, JOBS.values(), settings)
    assert [path.name for path in (settings.landing / "files").iterdir()] == ["dogs.mp4"]
    assert [path.name for path in settings.media.iterdir() if not path.name.startswith(".")] == ["of-both"]
    assert secret.exists()
    assert on_their_way.progress(of_ben, datetime.now(UTC)).note.user_id == BEN
    with pytest.raises(UploadUnknown):
        on_their_way.progress(theirs, datetime.now(UTC))
    assert (settings.landing / "manifests" / "m.jsonl").read_text().split() == ["no", "json"]
    assert "purge /media/only-theirs/ there" in report.notes[-1]


def land_and_die(settings: Settings, clip: bytes, last: Path) -> None:
    """Land an upload of ANN's, as an endpoint that is killed when it would put `last` on the disk."""

    def sync(path: Path) -> None:
        if path.parent / path.name[: len(last.name)] == last:
            os.kill(os.getpid(), signal.SIGKILL)

    for room in (incoming, landing):
        pytest.MonkeyPatch().setattr(room, "sync", sync)
    uploads, now = Incoming(settings.landing, Limits()), datetime.now(UTC)
    name = uploads.begin(Note(ANN, "T", (), "a.mp4", "", len(clip)), now)
    with uploads.writing(name, now) as part:
        part.append(clip)
        part.keep(now)


def test_nothing_is_left_of_uploads_during_whose_landing_an_endpoint_was_killed(settings: Settings) -> None:
    area = settings.landing
    for clip, last in (b"moved", area / "files"), (b"half a line", area / "manifests" / ".api"):
        process = get_context("fork").Process(target=land_and_die, args=(settings, clip, last))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert len(list((area / "files").iterdir())) == 2 and len(list((area / "manifests").iterdir())) == 1
    forget(ANN, JOBS.values(), settings)
    assert [path for path in area.rglob("*") if path.is_file() and path.read_text().strip()] == []


def test_who_has_begun_an_upload_and_nothing_else_is_somebody_to_forget(settings: Settings) -> None:
    Incoming(settings.landing, Limits()).begin(Note(ANN, "T", (), "a.mp4", "", 9), datetime.now(UTC))
    (found,) = look(ANN, JOBS.values(), settings)[1]
    (removed,) = forget(ANN, JOBS.values(), settings).removed
    assert (found.place, found.count) == (removed.place, removed.count) == ("uploads on their way", 1)
    assert look(ANN, JOBS.values(), settings)[1] == []


def test_of_what_a_manifest_names_just_files_of_theirs_alone_go(settings: Settings) -> None:
    names = ("theirs.mp4", "awaited.mp4", ".writing.mp4", "folder/other.mp4")
    for name in names:
        (settings.landing / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (settings.landing / "files" / name).write_bytes(b"clip")
    odd = ("files", "files/..", "files/../manifests/m.jsonl", "files/\0", f"files/{'x' * 999}", 7, None)
    lines = [{"upload_id": "u", "user_id": ANN, "media_file": name} for name in (*(f"files/{n}" for n in names), *odd)]
    # Was not taken in yet.
    lines.append({"upload_id": "cows", "user_id": BEN, "media_file": "files/awaited.mp4"})
    (settings.landing / "manifests").mkdir()
    (settings.landing / "manifests" / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    removed = {one.place: one.count for one in forget(ANN, JOBS.values(), settings).removed}
    assert removed == {"manifests": len(lines) - 1, "files of uploads": 1}
    left = {path.name for path in settings.landing.rglob("*.*") if path.is_file()}
    assert left == {"awaited.mp4", ".writing.mp4", "other.mp4", "m.jsonl"}


def test_nobody_has_anothers_video_forgotten_by_naming_it_as_theirs(settings: Settings) -> None:
    put(settings, "bronze.uploads", {"upload_id": "dogs", "user_id": BEN})
    lines = [{"upload_id": name, "user_id": ANN} for name in ("dogs", "birds", "mice")]
    lines.append({"upload_id": "mice", "user_id": BEN})
    (settings.landing / "manifests").mkdir(parents=True)
    (settings.landing / "manifests" / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert traces.gather(ANN, settings).videos == {"birds"}


def test_a_video_that_is_published_meanwhile_leaves_nothing_that_plays(settings: Settings) -> None:
    put(settings, "bronze.uploads", {"upload_id": "!cats", "user_id": ANN})

    @contextmanager
    def published_before(name: str) -> Iterator[None]:
        if name == "media.publish":
            (settings.media / "late").mkdir(parents=True)
            put(settings, "silver.videos", {"video_id": "!cats", "user_id": ANN, "media_hash": "late"})
        yield

    report = forget(ANN, JOBS.values(), settings, showing=published_before)
    assert not (settings.media / "late").exists()
    assert "purge /media/late/ there" in report.notes[-1]


def test_a_hashtag_that_is_written_like_the_id_of_a_video_is_none(settings: Settings) -> None:
    put(settings, "silver.videos", {"video_id": "cats", "user_id": ANN})
    proposal = {"user_id": BEN, "video_id": "dogs", "because": "cats"}
    put(settings, "gold.candidates", {**proposal, "source": "fresh"}, {**proposal, "source": "item_item"})
    removed = {one.place: one.count for one in forget(ANN, JOBS.values(), settings).removed}
    assert removed == {"silver.videos": 1, "gold.candidates": 1}


def test_what_an_import_keeps_back_is_kept_without_them(settings: Settings) -> None:
    file = settings.home / "held_out" / "movielens.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"user_id": [ANN, BEN], "video_id": ["v", "v"], "rating": [1.0, 2.0]}), file)
    assert [one.count for one in forget(ANN, JOBS.values(), settings).removed] == [1]
    assert pq.read_table(file).to_pylist() == [{"user_id": BEN, "video_id": "v", "rating": 2.0}]


def has_read(settings: Settings, table: str, *positions: int) -> Path:
    """The checkpoint of events.watches after a batch up to each of these positions in the table."""
    table_id = str(Tables.of(settings).open(table).metadata().id)
    log = settings.checkpoints / "events.watches"
    for batch, position in enumerate(positions):
        offset = {"reservoirId": table_id, "reservoirVersion": position, "isStartingVersion": False}
        for name, text in (("offsets", f"v1\n{{}}\n{json.dumps(offset)}"), ("commits", "v1\n{}")):
            (log / name).mkdir(parents=True, exist_ok=True)
            (log / name / str(batch)).write_text(text)
    return log


def test_no_stream_asks_for_versions_again_that_are_gone_at_once(settings: Settings) -> None:
    for user in (BEN, ANN_TOO, BEN):
        put(settings, "bronze.events", {"user_id": user, "video_id": "dogs"})
    log = has_read(settings, "bronze.events", 1, 3)

    def batches() -> dict[str, int]:
        files = {path.name: path for path in (log / "offsets").glob("[!.]*")}
        assert files.keys() == {path.name for path in (log / "commits").glob("[!.]*")}
        return {
            name: json.loads(files[name].read_text().splitlines()[-1])["reservoirVersion"] for name in sorted(files)
        }

    # It has read all, of which nothing goes, so that its table has no new version.
    forget("nobody", JOBS.values(), settings, at_once=True)
    newest = Tables.of(settings).version("bronze.events")
    assert batches() == {"0": 1, "1": 3, "2": newest + 1, "3": newest + 1}
    # Killed between the two.
    for name in ("offsets", "commits"):
        (log / name / "3").unlink()
    forget("nobody", JOBS.values(), settings, at_once=True)
    assert min(list(batches().values())[-2:]) >= Tables.of(settings).version("bronze.events")


def test_what_a_stream_has_not_read_is_not_removed_behind_its_back(lived_in: Settings) -> None:
    has_read(lived_in, "bronze.events", 1)
    with pytest.raises(NotRead, match=r"events\.watches has not read all of bronze\.events.*reelmill pipeline ingest"):
        forget(ANN, JOBS.values(), lived_in)
    assert Tables.of(lived_in).version("bronze.events") == 1
    log = has_read(lived_in, "bronze.events", 2)
    # What it finds there next is a commit of ours, which it passes over.
    forget(ANN, JOBS.values(), lived_in)
    forget(ANN_TOO, JOBS.values(), lived_in)
    # Killed in its first batch, it would read what was there then.
    (log / "commits" / "0").unlink()
    with pytest.raises(NotRead):
        forget(BEN, JOBS.values(), lived_in)


def test_cut_short_in_between_the_same_again_ends_as_if_it_had_not_been(lived_in: Settings) -> None:
    @contextmanager
    def until(name: str) -> Iterator[None]:
        if name == "events.watches":
            raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        forget(ANN, JOBS.values(), lived_in, at_once=True, showing=until)
    # By now no table says any more whose the video was.
    assert traces.is_noted(ANN, lived_in) and holding(lived_in, "!cats")
    forget(ANN, JOBS.values(), lived_in, at_once=True)
    assert holding(lived_in, ANN) == holding(lived_in, "!cats") == []
    assert not traces.is_noted(ANN, lived_in)

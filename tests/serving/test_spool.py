"""The spool keeps what it acknowledged, through kills, full disks and several processes."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from serving.spool import EventSpool, SpoolError
from serving.spool_upkeep import archive, forget, recover, waiting

AT = datetime(2026, 1, 31, 18, tzinfo=UTC)


def visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.jsonl")) if not path.name.startswith(".")]


def hidden(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.jsonl"))


def events_in(paths: list[Path]) -> list[dict[str, object]]:
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def test_what_was_appended_is_in_the_file_before_it_is_visible(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path)
    spool.append([{"event_id": "1"}, {"event_id": "2"}])
    assert visible(tmp_path) == []
    assert events_in(hidden(tmp_path)) == [{"event_id": "1"}, {"event_id": "2"}]
    spool.close()
    assert hidden(tmp_path) == []
    assert events_in(visible(tmp_path)) == [{"event_id": "1"}, {"event_id": "2"}]


def test_a_file_becomes_visible_when_it_is_old_enough(tmp_path: Path) -> None:
    patient, hasty = EventSpool(tmp_path, max_age_s=3600), EventSpool(tmp_path, max_age_s=0)
    patient.append([{"from": "patient"}])
    hasty.append([{"from": "hasty"}])
    patient.maintain()
    hasty.maintain()
    assert events_in(visible(tmp_path)) == [{"from": "hasty"}]
    patient.close()


def test_a_file_becomes_visible_when_it_is_large_enough(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path, max_bytes=30)
    spool.append([{"event_id": "1"}])
    assert visible(tmp_path) == []
    spool.append([{"event_id": "2"}])
    assert len(visible(tmp_path)) == 1
    spool.append([{"event_id": "3"}])
    spool.close()
    assert len(visible(tmp_path)) == 2


def test_a_spool_that_got_nothing_leaves_no_file(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path)
    spool.maintain()
    spool.close()
    assert visible(tmp_path) == hidden(tmp_path) == []


def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, itertools; from pathlib import Path; from serving.spool import EventSpool\n"
        "spool = EventSpool(Path(sys.argv[1]), max_bytes=2_000)\n"
        "for n in itertools.count():\n"
        "    spool.append([{'n': n}]); print(n, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(500)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.communicate()[0].splitlines()]
    assert recover(EventSpool(tmp_path).folder) <= 1
    assert hidden(tmp_path) == []
    kept = [int(str(event["n"])) for event in events_in(visible(tmp_path))]
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))


def test_a_torn_last_line_is_cut_off_and_kept_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / ".1-1.jsonl").write_bytes(b'{"event_id":"1"}\n{"event_id":"2","user')
    assert recover(EventSpool(tmp_path).folder) == 1
    assert events_in(visible(tmp_path)) == [{"event_id": "1"}]
    (kept,) = events_in(list(tmp_path.glob("rejected/*.jsonl")))
    assert kept["raw"] == '{"event_id":"2","user'
    assert str(kept["reason"]).startswith("torn line")


def test_a_leftover_with_no_whole_line_disappears(tmp_path: Path) -> None:
    (tmp_path / ".1-1.jsonl").write_bytes(b"")
    (tmp_path / ".2-1.jsonl").write_bytes(b"{")
    assert recover(EventSpool(tmp_path).folder) == 0
    assert visible(tmp_path) == hidden(tmp_path) == []


def test_the_file_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    living = EventSpool(tmp_path)
    living.append([{"event_id": "1"}])
    assert recover(EventSpool(tmp_path).folder) == 0
    living.append([{"event_id": "2"}])
    living.close()
    assert len(events_in(visible(tmp_path))) == 2


def test_a_file_that_an_importer_is_writing_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".movielens-0123456789ab-00000.77.jsonl").write_bytes(b'{"event_id":"1"}\n{"eve')
    assert recover(EventSpool(tmp_path).folder) == 0
    assert (visible(tmp_path), len(hidden(tmp_path))) == ([], 1)


def test_recovering_beside_living_writers_disturbs_none(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path, max_age_s=0)

    def write() -> None:
        for n in range(300):
            spool.append([{"n": n}])
            spool.maintain()

    with ThreadPoolExecutor() as threads:
        writing = threads.submit(write)
        while not writing.done():
            assert recover(tmp_path) == 0
        writing.result()
    assert sorted(int(str(event["n"])) for event in events_in(visible(tmp_path))) == list(range(300))


def test_a_file_that_cannot_be_recovered_does_not_keep_the_others_back(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path)
    (tmp_path / ".1-1.jsonl").mkdir()
    (tmp_path / ".2-1.jsonl").write_bytes(b'{"event_id":"1"}\n')
    assert recover(spool.folder) == 1
    assert events_in(visible(tmp_path)) == [{"event_id": "1"}]


def test_archived_files_are_kept_for_their_time_and_what_is_not_ours_for_ever(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        (tmp_path / f"{day}.jsonl").touch()
        archive(tmp_path, [tmp_path / f"{day}.jsonl", tmp_path / "another run was faster.jsonl"], date(2026, 1, day))
    (tmp_path / "_archive" / "by hand").mkdir()
    (tmp_path / "rejected").mkdir()
    for name in ("2026-01-01", "2026-01-02", "notes"):
        (tmp_path / "rejected" / f"{name}.jsonl").touch()
    forget(tmp_path, archived_before=date(2026, 1, 3), rejected_before=date(2026, 1, 2))
    assert waiting(tmp_path) == (0, 0)
    assert sorted(path.name for path in (tmp_path / "_archive").iterdir()) == ["2026-01-03", "by hand"]
    assert sorted(path.stem for path in (tmp_path / "rejected").iterdir()) == ["2026-01-02", "notes"]


@contextmanager
def almost_full_disk() -> Iterator[None]:
    """Files may grow to 100 bytes only: writes beyond are cut short, as on a disk that fills up.

    No fixture: its end comes after pytest has told the outcome, which may go to a file as well.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_an_error_and_leaves_no_half_line(tmp_path: Path) -> None:
    with almost_full_disk():
        spool = EventSpool(tmp_path)
        spool.append([{"text": "x" * 50}])
        for _ in range(2):
            with pytest.raises(SpoolError, match="cannot write"):
                spool.append([{"text": "y" * 50}])
        spool.append([{"small": 1}])
        spool.close()
    assert events_in(visible(tmp_path)) == [{"text": "x" * 50}, {"small": 1}]

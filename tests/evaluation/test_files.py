"""Plain files: what they may look like, and how each fault is told."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.evaluation.files import BadFile, read_features, read_ids, read_pairs


def write(folder: Path, text: str, name: str = "pairs.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_same_pairs_are_read_from_csv_and_parquet_and_gz_of_either(tmp_path: Path) -> None:
    text = "video_id,user_id,rating,timestamp,more\n9,7,4.5,1700000000,x\nb,ann,1,1700000001.5,y\n"
    table = {"user_id": ["7", "ann"], "video_id": ["9", "b"], "rating": [4.5, 1.0], "timestamp": [1.7e9, 1.7e9 + 1.5]}
    pq.write_table(pa.table(table), tmp_path / "pairs.parquet")
    files = [write(tmp_path, text), tmp_path / "pairs.parquet"]
    for path in list(files):
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        files.append(packed)
    for path in files:
        pairs = read_pairs(path)
        assert (pairs.users.to_pylist(), pairs.videos.to_pylist()) == (["7", "ann"], ["9", "b"])
        assert pairs.rating is not None and pairs.rating.tolist() == [4.5, 1.0]
        assert pairs.at is not None and pairs.at.tolist() == [1_700_000_000_000_000, 1_700_000_001_500_000]


def test_an_integer_a_float_without_a_fraction_and_a_text_are_one_id(tmp_path: Path) -> None:
    for name, ids in (("int", pa.array([7, 8])), ("float", pa.array([7.0, 8.0])), ("text", pa.array(["7", " 8"]))):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"user_id": ids, "video_id": ids}), path)
        assert read_pairs(path).videos.to_pylist() == ["7", "8"]


@pytest.mark.parametrize("written", ["1700000000", "1700000000000", "1700000000000000", "2023-11-14 22:13:20"])
def test_seconds_milliseconds_microseconds_and_dates_are_one_time(tmp_path: Path, written: str) -> None:
    pairs = read_pairs(write(tmp_path, f"user_id,video_id,timestamp\na,b,{written}\n"))
    assert pairs.at is not None and pairs.at.tolist() == [1_700_000_000_000_000]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("user,video_id\na,b\n", "has no column user_id; it has user, video_id"),
        ("user_id,video_id\n", "has a header and no rows"),
        ("", "cannot be read"),
        ("user_id,video_id\na,b\n\na,\n", "line 4, column video_id: is empty"),
        ("user_id,video_id,rating\na,b,3\na,c,good\n", "line 3, column rating: 'good' is not a number"),
        ("user_id,video_id,rating\na,b,3\na,c,-1\n", "line 3, column rating: -1 is below 0"),
        ("user_id,video_id,rating\na,b,nan\n", "line 2, column rating: nan is not a number"),
        ("user_id,video_id,timestamp\na,b,soon\n", "column timestamp: neither numbers nor dates"),
        ("user_id,video_id\na,b\na,b,c\n", "Expected 2 columns, got 3"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadFile, match=f"(?s)pairs.csv.*{complaint}"):
        read_pairs(write(tmp_path, text))


def test_a_file_that_is_not_there_and_an_id_that_stands_there_twice_are_faults(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"absent.csv cannot be read: No such file"):
        read_ids(tmp_path / "absent.csv")
    with pytest.raises(BadFile, match="line 4, column video_id: a stands there for the second time"):
        read_ids(write(tmp_path, "video_id\na\nb\na\n", "ids.csv"))


def test_rows_of_features_have_length_one_in_every_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.save(tmp_path / "b.npy", np.array([[2], [1]]))
    first, second = read_features([tmp_path / "a.npy", tmp_path / "b.npy"])
    assert first.ravel().tolist() == pytest.approx([0.6, 0.8, 0, 0])
    assert second.tolist() == [[1], [1]]
    for name, bad, complaint in (
        ("short", np.ones((1, 2)), "has 1 rows, and .*a.npy has 2"),
        ("flat", np.ones(2), "needed are rows of numbers"),
        ("gap", np.array([[1.0], [np.inf]]), "row 1, column 0: inf"),
    ):
        np.save(tmp_path / f"{name}.npy", bad)
        with pytest.raises(BadFile, match=f"(?s){complaint}"):
            read_features([tmp_path / "a.npy", tmp_path / f"{name}.npy"])

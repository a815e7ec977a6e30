"""The model store: a file is whole whenever it can be seen."""

from pathlib import Path

from jobs.ranking import model


def test_a_model_file_appears_whole_under_its_version(tmp_path: Path) -> None:
    model.save(tmp_path, "20240320-abc/model.txt", b"tree")
    assert [p.name for p in (tmp_path / "20240320-abc").iterdir()] == ["model.txt"]
    assert (tmp_path / "20240320-abc" / "model.txt").read_bytes() == b"tree"

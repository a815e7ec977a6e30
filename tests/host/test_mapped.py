"""Objects in files that processes map: they come back as they were, and the file stays as it is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from jobs.host import mapped


@given(sizes=st.lists(st.integers(0, 200), max_size=5), words=st.lists(st.text()))
def test_what_is_kept_comes_back(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], words: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "kept"
    arrays = [np.arange(size, dtype=np.float64) for size in sizes]
    mapped.save({"arrays": arrays, "words": np.array([*words, ""], dtype=object)}, path)
    again = mapped.load(path)
    assert [array.tolist() for array in again["arrays"]] == [array.tolist() for array in arrays]
    assert list(again["words"]) == [*words, ""]


def test_a_matrix_can_be_used_and_changed_and_the_file_is_the_same(tmp_path: Path) -> None:
    mapped.save(csr_matrix(np.eye(3)), tmp_path / "matrix")
    mine = mapped.load(tmp_path / "matrix")
    mine.data[:] = 7
    assert mine.sum() == 21 and mapped.load(tmp_path / "matrix").sum() == 3
    assert [path.name for path in tmp_path.iterdir()] == ["matrix"]

"""The whole protocol on a small set: who teaches, who chooses, and that the test file comes last."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from jobs.evaluation import sources
from jobs.evaluation.data import Files, draw, labels_of, load, with_valid
from jobs.evaluation.files import BadFile
from jobs.evaluation.protocol import Evaluation, Learned, evaluate, learn, rank
from jobs.evaluation.report import as_dict
from tests.evaluation.conftest import Rows, write

# Most of these let everything learn.
pytestmark = pytest.mark.slow

MakeFiles = Callable[..., Files]


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, tastes: tuple[Rows, Rows, Rows]) -> Evaluation:
    """The whole protocol on all files as they are: once for the tests that only look at what came out."""
    where = tmp_path_factory.mktemp("found")
    train, valid, test = (write(where / f"{n}.csv", rows) for n, rows in enumerate(tastes))
    return evaluate(Files(train, valid), test, (5, 10), 1, quiet)


def learned(files: Files) -> tuple[Learned, dict[str, NDArray[np.int32]]]:
    found = learn(load(files), quiet)
    return found, {system.key: system.lists for system in rank(found, 20, quiet)}


def test_both_fits_are_judged_and_the_best_on_the_validation_file_serves(found: Evaluation) -> None:
    assert [(s.name, s.fit) for s in found.systems[:2]] == [("reelmill", "train"), ("reelmill", "train+valid")]
    for fit in found.fits:
        assert fit.measured[fit.chosen] == max(fit.measured.values())
        assert "ranker" in fit.measured
    figures = {key: verdict.metrics["ndcg@10"] for key, verdict in found.judged.verdicts.items()}
    assert figures["reelmill (train+valid)"].value > figures["popularity (train)"].value
    assert all(low <= value <= high for value, low, high in figures.values())
    assert (found.judged.viewers, found.judged.strangers, found.judged.pairs) == (200, 0, 400)


def test_what_is_between_blend_and_ranker_can_serve(files: MakeFiles) -> None:
    known = learn(load(files()), quiet)
    fits = [replace(fit, chosen="mean") for fit in known.fits[:1]]
    lists = {system.name: system.lists for system in rank(replace(known, fits=fits), 20, quiet)}
    assert all((lists["reelmill"] != lists[name]).any() for name in ("blend", "ranker"))
    assert (np.sort(lists["reelmill"][:, :20]) == np.sort(lists["ranker"])).mean() > 0.5


def test_the_test_file_is_opened_when_every_list_is_finished(files: MakeFiles, tmp_path: Path) -> None:
    made, told = files(lambda rows: rows[:120]), []
    (tmp_path / "test.csv").write_text("no such columns\n1\n")
    with pytest.raises(BadFile, match="no column user_id"):
        evaluate(made, tmp_path / "test.csv", (10,), 1, lambda what, done, total: told.append((what, done, total)))
    what, done, total = told[-1]
    assert (what, done) == ("lists (train+valid)", total)


def test_sources_that_learn_beside_each_other_have_one_thread_of_blas_each(files: MakeFiles, tmp_path: Path) -> None:
    threads: set[int] = set()

    def look(what: str, done: int, total: int) -> None:
        if what != "judging":
            threads.update(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    with threadpool_limits(2, "blas"):
        evaluate(files(lambda rows: rows[:120]), tmp_path / "test.csv", (10,), 1, look)
    assert threads == {1}


def test_who_has_no_training_pair_gets_what_is_popular_whatever_serves_the_others(files: MakeFiles) -> None:
    def no_pairs_of_the_first_ten(rows: Rows) -> Rows:
        return [row for row in rows if not (row[0] in {f"u{n}" for n in range(10)} and len(rows) > 1000)]

    made = files(no_pairs_of_the_first_ten)
    found, lists = learned(made)
    data = load(made)
    is_stranger = ~np.isin(np.arange(len(data.viewers)), data.train.viewer)
    assert np.count_nonzero(is_stranger) == 11
    popular = lists[f"{found.strangers.name} (train)"]
    for system in ("reelmill", "ranker", "blend", "fusion"):
        np.testing.assert_array_equal(lists[f"{system} (train)"][is_stranger], popular[is_stranger], system)
    assert found.strangers.worth > 0
    assert not np.array_equal(lists["ranker (train)"], popular)


def test_what_only_the_test_file_names_changes_no_list_and_counts_as_missed(
    found: Evaluation, files: MakeFiles, tmp_path: Path, tastes: tuple[Rows, Rows, Rows]
) -> None:
    more = [*tastes[2][:4], ("stranger", "v0"), ("u0", "nobody knows this"), tastes[0][0]]
    again = evaluate(files(), write(tmp_path / "more.csv", more), (10,), 1, quiet)
    for mine, other in zip(found.systems, again.systems, strict=True):
        assert np.array_equal(mine.lists, other.lists)
    assert (again.judged.viewers, again.judged.strangers, again.judged.unreachable) == (3, 1, 2)


def test_neither_the_order_of_the_rows_nor_what_runs_beside_what_changes_a_figure(
    found: Evaluation, files: MakeFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def figures(of: Evaluation) -> dict[str, Any]:
        told = as_dict(of)
        for spent in (told, *told["systems"]):
            del spent["seconds"], spent["peak_mb"]
        return told

    chance = np.random.default_rng(1)
    shuffled = files(lambda rows: [rows[n] for n in chance.permutation(len(rows))])
    monkeypatch.setattr(sources, "BESIDE", 1)
    again = evaluate(shuffled, tmp_path / "test.csv", (5, 10), 1, quiet)
    assert figures(again) == figures(found)
    assert all(np.array_equal(one.lists, other.lists) for one, other in zip(again.systems, found.systems, strict=True))


def test_nobody_is_shown_a_training_pair_and_only_candidates_are_shown(files: MakeFiles, tmp_path: Path) -> None:
    made = files()
    (tmp_path / "candidates.csv").write_text("video_id\n" + "".join(f"v{n}\n" for n in range(30)))
    data = load(Files(made.train, made.valid, candidates=tmp_path / "candidates.csv"))
    shown = {f"v{n}" for n in range(30)}
    for system in rank(learn(data, quiet), 20, quiet):
        for viewer, row in enumerate(system.lists):
            videos = row[row >= 0]
            assert set(data.videos[videos]) <= shown
            assert len(set(videos)) == len(videos)
            assert not set(videos) & set(data.train.video[data.train.viewer == viewer])


def test_who_learned_from_both_files_shows_no_pair_of_either_and_the_other_fit_knows_one(
    found: Evaluation, files: MakeFiles
) -> None:
    data = load(files())
    assert data.valid is not None
    shown = {system.key: system.lists[:, :20] for system in found.systems}
    for key, has_valid in (("reelmill (train)", True), ("reelmill (train+valid)", False)):
        in_lists = [
            video in shown[key][viewer] for viewer, video in zip(data.valid.viewer, data.valid.video, strict=True)
        ]
        assert any(in_lists) == has_valid, key


def test_both_files_as_one_have_each_pair_once_and_a_now_after_all_of_them(tmp_path: Path) -> None:
    for name, rows in (("train", "ann,a,10\nbob,b,20\n"), ("valid", "ann,b,30\nann,a,40\ncid,c,50\n")):
        (tmp_path / f"{name}.csv").write_text("user_id,video_id,timestamp\n" + rows)
    data = load(Files(tmp_path / "train.csv", tmp_path / "valid.csv"))
    both = with_valid(data)
    pairs = zip(data.viewers[both.train.viewer], data.videos[both.train.video], both.train.at // 10**6, strict=True)
    assert list(pairs) == [("ann", "a", 10), ("ann", "b", 30), ("bob", "b", 20), ("cid", "c", 50)]
    assert data.now < both.now == 50 * 10**6 + 1


def test_labels_that_are_shuffled_among_viewers_give_no_more_than_popularity(
    files: MakeFiles, tmp_path: Path, tastes: tuple[Rows, Rows, Rows]
) -> None:
    def shuffled(rows: Rows) -> Rows:
        videos = np.random.default_rng(5).permutation([video for _, video in rows])
        return [(user, str(video)) for (user, _), video in zip(rows, videos, strict=True)]

    found = evaluate(files(shuffled), tmp_path / "test.csv", (10,), 1, quiet)
    metrics = {key: verdict.metrics["ndcg@10"] for key, verdict in found.judged.verdicts.items()}
    for fit in ("train", "train+valid"):
        assert metrics[f"reelmill ({fit})"].value <= metrics["popularity (train)"].high


def test_without_a_validation_file_a_part_of_the_training_pairs_chooses(files: MakeFiles, tmp_path: Path) -> None:
    found = evaluate(Files(files().train), tmp_path / "test.csv", (10,), 1, quiet)
    assert [fit.name for fit in found.fits] == ["train"]
    assert "ranker" in found.fits[0].measured


def test_a_viewer_gives_a_fifth_as_labels_and_at_least_one_of_two(tmp_path: Path) -> None:
    rows = [("one", "a")] + [("two", v) for v in "ab"] + [("ten", v) for v in "abcdefghij"]
    data = load(Files(write(tmp_path / "train.csv", rows)))
    labels = data.train.where(labels_of(data))
    assert sorted(data.viewers[labels.viewer]) == ["ten", "ten", "two"]


def test_with_times_the_newest_pairs_are_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("user_id,video_id,timestamp\nann,new,30\nann,old,10\nann,older,5\n")
    data = load(Files(path))
    assert data.videos[data.train.where(labels_of(data)).video].tolist() == ["new"]


@pytest.mark.parametrize(("asked_at", "label"), ((40, "new"), (15, "old")))
def test_labels_are_the_newest_pairs_only_if_the_validation_pairs_are_newer_still(
    tmp_path: Path, asked_at: int, label: str
) -> None:
    pairs = {"train": "ann,new,30\nann,old,10\nben,a,10\n", "valid": f"ann,later,{asked_at}\nnobody,old,10\n"}
    for name, rows in pairs.items():
        (tmp_path / f"{name}.csv").write_text("user_id,video_id,timestamp\n" + rows)
    data = load(Files(tmp_path / "train.csv", tmp_path / "valid.csv"))
    drawn = draw(data.viewers, data.videos, data.train.where(data.train.viewer == data.viewers.searchsorted("ann")))
    assert drawn[0] > drawn[1], "a draw, which takes the largest number, differs from the newest here"
    assert data.videos[data.train.where(labels_of(data)).video].tolist() == [label]

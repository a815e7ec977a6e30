"""Plain files as numbered pairs, and what is kept back of them to learn from and to judge by.

Belongs here: numbers for ids, the catalogue, what a rating weighs, and which pairs of a viewer are labels. Reading the
files: files.py. What the sources learn from: world.py. The test file is no part of this: judge.py.

The catalogue is what the training file, the feature rows or ids, and --candidates name. A video that only the
validation file or the test file names has taught nobody anything, and stands below all others in every ranking: that
takes no look at either file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation import catalogue
from jobs.evaluation.catalogue import Catalogue
from jobs.evaluation.files import BadFile, Pairs, of_length_one, read_features, read_ids, read_pairs
from jobs.ranking.mixing import mixed

if TYPE_CHECKING:
    import pyarrow as pa

# The viewer of whom nothing is known: no id of a file is empty.
STRANGER = ""
# Of a viewer's pairs, one in LABELS is a label of the ranker, and one of those who have two to four.
LABELS = 5
# A validation file is of later pairs if they come after so much of their viewers' training pairs, in the mean. A draw
# gives a half, a cut in time 1.
LATER = 0.75
# A pair without a rating, and the best rating there is, weigh 1; the worst one weighs LEAST.
LEAST = 0.2


@dataclass(frozen=True)
class Files:
    """The files of an evaluation but for the test file.

    Those of a lake have a `catalogue` (catalogue.py) and say what was `refused`: pairs, perhaps not positive, that no
    list may hold from their time on. With `repeats`, lists may hold what their viewers have watched. With `tower`, that
    is one of the sources.
    """

    train: Path
    valid: Path | None = None
    item_features: tuple[Path, ...] = ()
    item_ids: Path | None = None
    candidates: Path | None = None
    catalogue: Path | None = None
    refused: Path | None = None
    repeats: bool = False
    tower: bool = False


@dataclass(frozen=True)
class Watches:
    """Pairs by number, each once, by viewer and time; of one time, in the order of a hash."""

    viewer: NDArray[np.int64]
    video: NDArray[np.int64]
    at: NDArray[np.int64]
    share: NDArray[np.float64]

    def where(self, mask: NDArray[np.bool_]) -> Watches:
        return Watches(self.viewer[mask], self.video[mask], self.at[mask], self.share[mask])

    def __len__(self) -> int:
        return len(self.viewer)


@dataclass(frozen=True)
class Data:
    """What is known before the test file is: ids in their order, pairs by number, and what may be ranked.

    The viewers are those of both files and STRANGER, the first. Each of `contents` is a file of features with one row
    per video, zeros where there is none. `refused` is by viewer, and None without such a file.
    """

    viewers: NDArray[np.object_]
    videos: NDArray[np.object_]
    train: Watches
    valid: Watches | None
    rankable: NDArray[np.bool_]
    contents: tuple[NDArray[np.float32], ...]
    has_times: bool
    catalogue: Catalogue | None = None
    refused: Watches | None = None
    repeats: bool = False
    tower: bool = False

    @property
    def content(self) -> NDArray[np.float32] | None:
        """What videos are like by all files, which weigh the same."""
        return of_length_one(np.concatenate(self.contents, axis=1)) if self.contents else None

    @property
    def now(self) -> int:
        """The instant after the training file."""
        return int(self.train.at.max()) + 1


def load(files: Files) -> Data:
    """Read the files and number what they name."""
    train = read_pairs(files.train)
    valid = read_pairs(files.valid) if files.valid else None
    features = read_features(files.item_features)
    row_ids = _row_ids(files, len(features[0]) if features else None)
    asked = read_ids(files.candidates) if files.candidates else None
    described = catalogue.read(files.catalogue) if files.catalogue else None

    viewers = _sorted_ids([train.users] + ([valid.users] if valid else []), extra=STRANGER)
    known = _sorted_ids(
        [ids for ids in (train.videos, row_ids, asked, described and described.videos) if ids is not None]
    )
    others = (row_ids, asked, described and described.videos, valid and valid.videos)
    videos = _sorted_ids([train.videos, *(ids for ids in others if ids is not None)])
    rankable = np.isin(videos, asked.to_numpy(zero_copy_only=False) if asked is not None else known)
    contents = []
    if row_ids is not None:
        places = numbers(row_ids, videos)
        for rows in features:
            contents.append(np.zeros((len(videos), rows.shape[1]), dtype=np.float32))
            contents[-1][places] = rows
    return Data(
        viewers=viewers,
        videos=videos,
        train=_watches(train, viewers, videos),
        valid=_watches(valid, viewers, videos) if valid else None,
        rankable=rankable,
        contents=tuple(contents),
        has_times=train.at is not None,
        catalogue=catalogue.in_order(described, videos) if described else None,
        refused=_of_these(read_pairs(files.refused), viewers, videos) if files.refused else None,
        repeats=files.repeats,
        tower=files.tower,
    )


def with_valid(data: Data) -> Data:
    """The same with one training file of both: a pair that is in both is as the training file has it."""
    train, valid = data.train, data.valid
    if valid is None:
        return data
    is_new = ~np.isin(valid.viewer * len(data.videos) + valid.video, train.viewer * len(data.videos) + train.video)
    pairs = Watches(
        np.concatenate([train.viewer, valid.viewer[is_new]]),
        np.concatenate([train.video, valid.video[is_new]]),
        np.concatenate([train.at, valid.at[is_new]]),
        np.concatenate([train.share, valid.share[is_new]]),
    )
    order = np.lexsort((draw(data.viewers, data.videos, pairs), pairs.at, pairs.viewer))
    both = Watches(pairs.viewer[order], pairs.video[order], pairs.at[order], pairs.share[order])
    return replace(data, train=both, valid=None)


def labels_of(data: Data) -> NDArray[np.bool_]:
    """True for the training pairs that are labels: of each viewer the newest ones, or a draw; who has one has no label.

    They are cut off as the validation file is. Trees that learn what comes next rank a draw of the past worse than no
    trees do, as people begin with what is popular and end with what is not.
    """
    train = data.train
    order = np.arange(len(train))
    if data.valid and not comes_later(train, data.valid):
        order = np.lexsort((draw(data.viewers, data.videos, train), train.viewer))
    _, first, count = np.unique(train.viewer, return_index=True, return_counts=True)
    held = np.where(count > 1, np.maximum(count // LABELS, 1), 0)
    place = np.arange(len(train)) - np.repeat(first, count)
    mask = np.empty(len(train), dtype=np.bool_)
    mask[order] = place >= np.repeat(count - held, count)
    return mask


def comes_later(train: Watches, valid: Watches) -> bool:
    """Whether the pairs of `valid` are later than most training pairs of the same viewers; equal times count half."""
    instants, at = np.unique(np.concatenate([train.at, valid.at]), return_inverse=True)
    first = np.searchsorted(train.viewer, valid.viewer)
    count = np.searchsorted(train.viewer, valid.viewer, side="right") - first
    known = count > 0
    # Training pairs lie by viewer and time.
    earlier, asked = train.viewer * len(instants) + at[: len(train)], valid.viewer * len(instants) + at[len(train) :]
    before = sum(np.searchsorted(earlier, asked, side=side) for side in ("left", "right")) / 2 - first
    return bool(known.any() and (before[known] / count[known]).mean() >= LATER)


def numbers(ids: pa.Array, among: NDArray[np.object_]) -> NDArray[np.int64]:
    """The place of each id among sorted ones; -1 for one that is not there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.index_in(ids, value_set=pa.array(among, type=pa.string())).fill_null(-1)
    places: NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return places


def draw(viewers: NDArray[np.object_], videos: NDArray[np.object_], pairs: Watches) -> NDArray[np.uint64]:
    """A number for each pair that hangs on its two ids alone."""
    return mixed(hashed(viewers)[pairs.viewer], hashed(videos)[pairs.video])


def hashed(ids: NDArray[np.object_]) -> NDArray[np.uint64]:
    import pandas as pd

    values: NDArray[np.uint64] = pd.util.hash_array(ids, categorize=False)
    return values


def _row_ids(files: Files, rows: int | None) -> pa.Array | None:
    import pyarrow as pa

    if rows is None:
        if files.item_ids:
            raise BadFile(f"{files.item_ids} names the rows of --item-features, which is not given.")
        return None
    if files.item_ids is None:
        return pa.array([str(row) for row in range(rows)])
    ids = read_ids(files.item_ids)
    if len(ids) != rows:
        raise BadFile(f"{files.item_ids} has {len(ids)} ids for the {rows} rows of {files.item_features[0]}.")
    return ids


def _sorted_ids(columns: list[pa.Array], extra: str | None = None) -> NDArray[np.object_]:
    import pyarrow as pa

    ids = set(pa.chunked_array(columns).unique().to_pylist())
    return np.array(sorted(ids if extra is None else {*ids, extra}), dtype=object)


def _of_these(pairs: Pairs, viewers: NDArray[np.object_], videos: NDArray[np.object_]) -> Watches | None:
    """The pairs of these viewers and videos; None where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = (pa.array(viewers, type=pa.string()), pa.array(videos, type=pa.string()))
    inside = pc.and_(pc.is_in(pairs.users, names[0]), pc.is_in(pairs.videos, names[1]))
    at = None if pairs.at is None else pairs.at[inside.to_numpy(zero_copy_only=False)]
    some = Pairs(pairs.users.filter(inside), pairs.videos.filter(inside), at, None)
    return _watches(some, viewers, videos) if len(some) else None


def _watches(pairs: Pairs, viewers: NDArray[np.object_], videos: NDArray[np.object_]) -> Watches:
    """Each pair once, as when it was first there."""
    viewer, video = numbers(pairs.users, viewers), numbers(pairs.videos, videos)
    at = pairs.at if pairs.at is not None else np.zeros(len(pairs), dtype=np.int64)
    share = np.ones(len(pairs))
    if pairs.rating is not None and pairs.rating.max() > 0:
        share = np.maximum(pairs.rating / pairs.rating.max(), LEAST)
    order = np.lexsort((-share, at, video, viewer))
    viewer, video = viewer[order], video[order]
    again = np.zeros(len(order), dtype=np.bool_)
    again[1:] = (viewer[1:] == viewer[:-1]) & (video[1:] == video[:-1])
    first = Watches(viewer, video, at[order], share[order]).where(~again)
    order = np.lexsort((draw(viewers, videos, first), first.at, first.viewer))
    return Watches(first.viewer[order], first.video[order], first.at[order], first.share[order])

"""A catalogue beside plain pairs: when each video came out, who made it, and its hashtags, each with its time.

Belongs here: the file, and its rows in the order of the videos. Who writes it: temporal.py. Without one, a video came
out when it was first watched, and nobody made it: world.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.files import ids_of, read_table
from jobs.ranking.watched import ALWAYS, NEVER

if TYPE_CHECKING:
    import pyarrow as pa
    from scipy.sparse import csr_matrix

VIDEO, CREATOR, PUBLISHED, HASHTAGS, GIVEN = "video_id", "creator_id", "published_at", "hashtags", "given_at"


@dataclass(frozen=True)
class Rows:
    """The file, row by row; times in microseconds since 1970. What is not published has no time."""

    videos: pa.Array
    creators: NDArray[np.object_]
    published: NDArray[np.int64]
    hashtags: list[list[str]]
    given: list[list[int | None]]


@dataclass(frozen=True)
class Catalogue:
    """The same in the order of some videos. A video that the file does not name was never published.

    `creator` is the place of each video's creator among `creators`, who are in order.
    """

    creators: NDArray[np.object_]
    creator: NDArray[np.int64]
    published: NDArray[np.int64]
    hashtags: NDArray[np.object_]
    tagged: csr_matrix  # videos x hashtags: when a video got the hashtag, ALWAYS if with the upload


def read(path: Path) -> Rows:
    """A Parquet file with these columns, the last two of lists that go together."""
    table = read_table(path)
    published = table[PUBLISHED].combine_chunks().fill_null(int(NEVER))
    return Rows(
        videos=ids_of(path, table, VIDEO),
        creators=table[CREATOR].combine_chunks().to_numpy(zero_copy_only=False),
        published=published.to_numpy(zero_copy_only=False).astype(np.int64),
        hashtags=table[HASHTAGS].to_pylist(),
        given=table[GIVEN].to_pylist(),
    )


def in_order(rows: Rows, videos: NDArray[np.object_]) -> Catalogue:
    """The rows in the order of these ids, which are sorted."""
    from scipy.sparse import csr_matrix

    place = np.searchsorted(videos, rows.videos.to_numpy(zero_copy_only=False))
    makers = np.full(len(videos), "", dtype=object)
    makers[place] = rows.creators
    creators, creator = np.unique(makers, return_inverse=True)
    published = np.full(len(videos), NEVER, dtype=np.int64)
    published[place] = rows.published
    flat = np.array([tag for tags in rows.hashtags for tag in tags], dtype=object)
    at = [int(ALWAYS) if given is None else given for times in rows.given for given in times]
    hashtags, tag = np.unique(flat, return_inverse=True) if flat.size else (flat, np.zeros(0, np.int64))
    holders = np.repeat(place, [len(tags) for tags in rows.hashtags])
    cells = (np.array(at, dtype=np.int64), (holders, tag))
    tagged = csr_matrix(cells, shape=(len(videos), max(len(hashtags), 1)))
    return Catalogue(creators, creator.astype(np.int64), published, hashtags, tagged)

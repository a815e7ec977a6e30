"""How the towers learn: to tell a watched video from others by the rest of its viewer's history.

Belongs here: the loss, the steps, and when to stop. What is learned: tower.py.

Each step takes some watched videos and their viewers' other videos, drops a part of these (Liang et al., "Variational
autoencoders for collaborative filtering", WWW 2018), and raises the watched one above a draw of all videos: sampled
softmax, whose correction for the draw makes it the softmax over all of them (Jean et al., "On using very large target
vocabulary for neural machine translation", ACL 2015). TensorFlow takes a GPU if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.errors import ReelmillError
from jobs.ranking.sources.kept_back import keep_back
from jobs.ranking.sources.tower import Matrix, Towers

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DIM, HIDDEN = 64, 128
# Watched videos a step, and in a round, at most: all of them, each once, where there are no more.
BATCH, ROUND = 512, 500_000
# Rounds that are tried, how many without getting better end it, and how many a set of a few viewers gets.
ROUNDS, PATIENCE, USUAL = 12, 2, 5
# Videos that a step tells apart, the rate of Adam, the weight of the vectors' squares, the part of a history dropped.
OTHERS, RATE, DECAY, DROPPED = 8192, 2e-3, 1e-4, 0.4
SEED = 11


class NotInstalled(ReelmillError):
    """The tower was asked for, and there is nothing to learn it with."""


class Step(NamedTuple):
    """`rows` and `videos` are the cells of a matrix of ones: what each viewer's history is, without the target."""

    rows: NDArray[np.int64]
    videos: NDArray[np.int64]
    targets: NDArray[np.int64]


def chosen_rounds(watched: csr_matrix, content: Matrix | None) -> int:
    """After how many rounds one video of each viewer that was kept back ranks best."""
    kept_back = keep_back(watched)
    if kept_back is None:
        return USUAL
    rounds, best, since = 0, -1.0, 0
    for done, towers in enumerate(_rounds(kept_back.rest, content, ROUNDS), 1):
        quality = kept_back.quality(lambda viewers, towers=towers: towers.scores(kept_back.rest[viewers]))  # type: ignore[misc]
        rounds, best, since = (done, quality, 0) if quality > best else (rounds, best, since + 1)
        if since == PATIENCE:
            break
    return rounds


def trained(watched: csr_matrix, content: Matrix | None, rounds: int) -> Towers:
    """The towers after so many rounds over viewers x videos; `content` describes the videos, a row each."""
    *_, towers = _rounds(watched, content, rounds)
    return towers


def steps_of(watched: csr_matrix, chance: np.random.Generator) -> Iterator[Step]:
    """One round: watched videos of those who have two and more, in a drawn order."""
    lengths = np.diff(watched.indptr)
    viewer = np.repeat(np.arange(watched.shape[0]), lengths)
    order = chance.permutation(np.flatnonzero(lengths[viewer] > 1))[:ROUND]
    for first in range(0, len(order), BATCH):
        cells = order[first : first + BATCH]
        targets, history = watched.indices[cells].astype(np.int64), watched[viewer[cells]]
        row = np.repeat(np.arange(len(cells)), np.diff(history.indptr))
        kept = (chance.random(len(row)) >= DROPPED) & (history.indices != targets[row])
        yield Step(row[kept], history.indices[kept].astype(np.int64), targets)


def _rounds(watched: csr_matrix, content: Matrix | None, rounds: int) -> Iterator[Towers]:
    """The towers after each round. Raises NotInstalled."""
    try:
        import keras
        import tensorflow as tf
    except ImportError as exc:
        raise NotInstalled("The tower needs the extra `deep`: pip install 'reelmill[deep]', or make deep.") from exc
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    chance = np.random.default_rng(SEED)
    videos = watched.shape[1]
    others = min(OTHERS, videos)
    # What a draw of the others stands for.
    drawn_for = float(np.log(videos / others))

    def table(*shape: int, scale: float) -> Any:
        return tf.Variable(chance.normal(0, scale, shape).astype(np.float32))

    audience = watched.getnnz(axis=0) + 1.0
    read, shown = table(videos, DIM, scale=0.05), table(videos, DIM, scale=0.05)
    bias = tf.Variable(np.log(audience / audience.sum()).astype(np.float32))
    inward, inward_bias = table(DIM, HIDDEN, scale=DIM**-0.5), table(HIDDEN, scale=0.0)
    outward, outward_bias = table(HIDDEN, DIM, scale=0.0), table(DIM, scale=0.0)
    shrunk = [read, shown]
    described = None if content is None else tf.constant(content, dtype=tf.float32)
    if content is not None:
        shrunk += [table(content.shape[1], DIM, scale=0.0), table(content.shape[1], DIM, scale=0.0)]
    learned = [*shrunk, bias, inward, inward_bias, outward, outward_bias]
    adam = keras.optimizers.Adam(RATE)

    def tables() -> tuple[Any, Any]:
        if described is None:
            return read, shown
        return read + described @ shrunk[2], shown + described @ shrunk[3]

    numbers = tf.TensorSpec((None,), tf.int64)

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.int64), numbers, numbers])  # type: ignore[untyped-decorator, unused-ignore]
    def step(cells: Any, targets: Any, draw: Any) -> None:
        many = tf.shape(targets, out_type=tf.int64)[0]
        with tf.GradientTape() as tape:
            reading, showing = tables()
            ones = tf.SparseTensor(cells, tf.ones(tf.shape(cells)[0]), (many, videos))
            length = tf.maximum(tf.math.unsorted_segment_sum(tf.ones(tf.shape(cells)[0]), cells[:, 0], many), 1.0)
            history = tf.sparse.sparse_dense_matmul(ones, reading) / tf.sqrt(length)[:, None]
            viewer = history + tf.nn.relu(history @ inward + inward_bias) @ outward + outward_bias
            own = tf.reduce_sum(viewer * tf.gather(showing, targets), axis=1) + tf.gather(bias, targets)
            against = viewer @ tf.transpose(tf.gather(showing, draw)) + tf.gather(bias, draw) + drawn_for
            against = tf.where(targets[:, None] == draw[None, :], -1e9, against)
            every = tf.reduce_logsumexp(tf.concat([own[:, None], against], axis=1), axis=1)
            loss = tf.reduce_mean(every - own) + DECAY * tf.add_n([tf.reduce_sum(one * one) for one in shrunk])
        adam.apply_gradients(zip(tape.gradient(loss, learned), learned, strict=True))

    for _ in range(rounds):
        for one in steps_of(watched, chance):
            draw = np.arange(videos) if others == videos else chance.choice(videos, others, replace=False)
            step(np.stack([one.rows, one.videos], axis=1), one.targets, draw)
        reading, showing = tables()
        yield Towers(*(np.asarray(one) for one in (reading, showing, bias, inward, inward_bias, outward, outward_bias)))

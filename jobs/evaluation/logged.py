"""Reading a log of what was shown by chance: context, action, reward and both probabilities.

Belongs here: what such a file may look like, and what is wrong with one. What it says of a policy: counterfactual.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.files import USER, BadFile, bad_row, ids_of, numbers_of, read_table

if TYPE_CHECKING:
    import pyarrow as pa

CONTEXT, ACTION, REWARD = "context", "action", "reward"
PROPENSITY, TARGET = "propensity", "target_probability"


@dataclass(frozen=True)
class Logged:
    """One slot a row. Contexts and viewers are numbers from 0 on; where the file names no viewers, a row is one."""

    viewer: NDArray[np.int64]
    context: NDArray[np.int64]
    reward: NDArray[np.float64]
    propensity: NDArray[np.float64]
    target_probability: NDArray[np.float64]


def read_log(path: Path) -> Logged:
    """The rows of a CSV or Parquet file, or .gz of either. Raises BadFile with the line and the column.

    The columns are action, reward, propensity (above 0, at most 1), target_probability (0 to 1), and perhaps context
    and user_id: the rows of one viewer are not independent draws.
    """
    table = read_table(path)
    actions = ids_of(path, table, ACTION)  # no estimate needs it, but a log without one is no log
    if not len(actions):
        raise BadFile(f"{path} has a header and no rows.")
    propensity, target = numbers_of(path, table, PROPENSITY), numbers_of(path, table, TARGET)
    for name, values, wrong, what in (
        (
            PROPENSITY,
            propensity,
            (propensity <= 0) | (propensity > 1),
            "what was shown had a chance",
        ),
        (TARGET, target, (target < 0) | (target > 1), "a probability is 0 to 1"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise bad_row(path, name, row, f"{values[row]:g} cannot be: {what}")
    return Logged(
        viewer=_numbered(path, table, USER) if USER in table.column_names else np.arange(len(actions)),
        context=_numbered(path, table, CONTEXT) if CONTEXT in table.column_names else np.zeros(len(actions), np.int64),
        reward=numbers_of(path, table, REWARD),
        propensity=propensity,
        target_probability=target,
    )


def _numbered(path: Path, table: pa.Table, name: str) -> NDArray[np.int64]:
    ids = ids_of(path, table, name).to_numpy(zero_copy_only=False)
    numbers: NDArray[np.int64] = np.unique(ids.astype(str), return_inverse=True)[1].astype(np.int64)
    return numbers

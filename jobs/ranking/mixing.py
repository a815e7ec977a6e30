"""Numbers that look drawn and hang on what they are made of alone, the same on every machine.

Belongs here: the mixing. What is hashed or seeded for it: whoever draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mixed(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One hash of two, or the second-th number of the stream of a seed: SplitMix64.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    value = first + second * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    last: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return last

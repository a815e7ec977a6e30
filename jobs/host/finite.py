"""Numbers that JSON has no word for.

Belongs here: what every writer of JSON does with them. What is written: its own module.
"""

import math
from typing import Any


def finite(value: Any) -> Any:
    """The value as JSON can say it: NaN and the infinities are null, wherever they are."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value

"""From a contract to the catalogue entry that people read in the CLI, Dagster and the docs.

Belongs here: plain data, ready for JSON.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from data_contracts.contract import Contract


def entry(contract: Contract) -> dict[str, Any]:
    """What a person wants to know of a table: its grain, key, columns, rules, freshness and retention."""
    return asdict(contract)

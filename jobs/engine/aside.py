"""What a run has set aside: how many rows by the rules that they break, and the SQL to look at them.

Belongs here: asking quarantine about one run. Setting rows aside: lake.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from jobs.engine.tables import QUARANTINE, Tables, text_in
from jobs.settings import Settings


def by_rules(table: str, run_id: str, settings: Settings) -> Counter[tuple[str, ...]]:
    """How many rows of a table this run was the first to set aside, by the rules that they break."""
    tables, name = Tables.of(settings), f"{QUARANTINE}.{table}"
    if not tables.is_there(name):
        return Counter()
    rows = tables.open(name).to_pyarrow_dataset().to_table(["rules"], filter=text_in("run_id") == run_id)
    return Counter(tuple(rules) for rules in rows.column("rules").to_pylist())


def described(writes: Iterable[str], run_id: str, settings: Settings) -> Iterator[str]:
    """For each table a line with its rows by rule, and one with the command that shows them."""
    for table in writes:
        found = by_rules(table, run_id, settings)
        if not found:
            continue
        counts = ", ".join(f"{count:,} by {' and '.join(rules)}" for rules, count in found.most_common())
        yield f"Set aside of {table}: {counts}. To look at them:"
        sql = f"SELECT rules, row FROM {QUARANTINE}.\\\"{table}\\\" WHERE run_id = '{run_id}' LIMIT 20"
        yield f'  reelmill query "{sql}"'

"""What a batch must keep before it is committed: its contract's columns, row rules, key and table rules.

Belongs here: the checks, as columns or over a frame, and their errors. What happens to rows that break a rule, and the
commit: lake.py. The rules themselves: data_contracts/.
"""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from data_contracts.contract import Contract
from jobs.errors import LastingError

# Casts that lose nothing, so that a count() may fill an int column's wider sibling and the like.
WIDENING = frozenset({("int", "bigint"), ("smallint", "int"), ("smallint", "bigint"), ("float", "double")})


class SchemaMismatch(LastingError):
    """A batch has other columns or types than its contract."""


class BrokenBatch(LastingError):
    """A batch breaks a table rule or its key; it was not committed."""


def conform(contract: Contract, frame: DataFrame) -> DataFrame:
    """The frame with exactly the contract's columns in its order; only casts that lose nothing are made.

    Raises SchemaMismatch.
    """
    got = {f.name: f.dataType.simpleString() for f in frame.schema.fields}
    wanted = {c.name: c.type for c in contract.columns}
    wrong = [
        *(f"{n} is missing" for n in wanted if n not in got),
        *(f"{n} is not in the contract" for n in got if n not in wanted),
        *(
            f"{n} is {got[n]}, not {t}"
            for n, t in wanted.items()
            if n in got and got[n] != t and (got[n], t) not in WIDENING
        ),
    ]
    if wrong:
        raise SchemaMismatch(f"A batch for {contract.table} does not match its contract: {'; '.join(wrong)}.")
    return frame.select(*(F.col(n).cast(t).alias(n) for n, t in wanted.items()))


def broken_rules(contract: Contract) -> Column:
    """The names of the row rules that a row breaks, as an array."""
    rules = [(f"{c.name}_required", F.col(c.name).isNull()) for c in contract.columns if c.required]
    # As in a CHECK constraint, a predicate that is NULL passes.
    rules += [(r.name, ~F.expr(f"coalesce({r.predicate}, true)")) for r in contract.row_rules]
    names = [F.when(broken, F.lit(name)) for name, broken in rules]
    return F.filter(F.array(*names), lambda name: name.isNotNull()) if names else F.array().cast("array<string>")


class Measured(NamedTuple):
    """How many rows a batch has, how many break a rule, and of the good ones how many keys and how many are astray."""

    rows: int
    broken: int
    keys: int
    astray: int


def measure(contract: Contract, marked: DataFrame, within: str = "true") -> Measured:
    """Counts a batch in one pass. Astray is a good row for which `within`, Spark SQL, does not hold.

    Keys are counted by a 64-bit hash, which shuffles 8 bytes a row; a collision is told from a duplicate later.
    """
    good = F.size("_broken") == 0
    key = F.when(good, F.xxhash64(*contract.key))
    row = marked.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count_if(~good).alias("broken"),
        F.count_distinct(key).alias("keys"),
        F.count_if(good & ~F.expr(f"coalesce({within}, false)")).alias("astray"),
    ).first()
    assert row is not None
    return Measured(**row.asDict())


def check_key(contract: Contract, good: DataFrame) -> None:
    """Raises BrokenBatch when two rows have one key."""
    twice = good.groupBy(*contract.key).count().where("count > 1").limit(3).collect()
    if twice:
        examples = "; ".join(str({k: r[k] for k in contract.key}) for r in twice)
        raise BrokenBatch(
            f"A batch for {contract.table} has more than one row for a key ({', '.join(contract.key)}), for example "
            f"{examples}. Nothing was committed; readers keep the last good version."
        )


def check_table_rules(contract: Contract, good: DataFrame) -> None:
    """Raises BrokenBatch when the batch as a whole breaks a rule."""
    if not contract.table_rules:
        return
    from data_contracts.suite import broken_table_rules

    broken = broken_table_rules(contract, good)
    if broken:
        raise BrokenBatch(
            f"A batch for {contract.table} breaks a table rule: {'; '.join(broken)}. "
            "Nothing was committed; readers keep the last good version."
        )

"""A feature table as one declaration: what is counted for whom, from which rows; all else follows from its contract.

Belongs here: what a declaration says, and how its columns, its rows and its daily job are made of it. The tables that
there are: one module each, such as users.py. The spans of time: changes.py. What Feast makes of a table's contract:
feature_repo/definitions.py.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_contracts import Contract, load
from feature_repo.definitions import TIMESTAMP, entity_keys
from jobs.engine.job import Job
from jobs.engine.lake import EmptyOutput, Lake
from jobs.engine.window import Window
from jobs.errors import LastingError
from jobs.events.marks import unmarked
from jobs.features.changes import Counted, Past, daily_state, span_names

WATCHES = "silver.watches"


class NothingMakesColumn(LastingError):
    """The contract of a feature table has a column that its declaration does not make."""


def _watches(watches: DataFrame) -> DataFrame:
    return watches


@dataclass(frozen=True)
class FeatureTable:
    """What a table counts. Its contract picks the columns, and so the spans; it also has keys, types and descriptions.

    `sums` and `distinct` (Spark SQL whose different values are counted) make, for each name, the columns
    `<name>_<days>d` and `<name>_total`. `extra` has columns made of those and of `first_date` and `last_date`, in Spark
    SQL; a name that ends in `_{span}` stands for one column per span, and so does `{span}` in its SQL.
    `rows` makes the rows to count, with the keys and `started_at`, of silver.watches and the tables named in `beside`.
    """

    table: str
    sums: Mapping[str, Counted]
    distinct: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    rows: Callable[..., DataFrame] = _watches
    beside: tuple[str, ...] = ()

    def job(self, module: str) -> Job:
        """The daily job of the module that declares this table."""
        doc = sys.modules[module].__doc__ or ""
        return Job(
            name=module.removeprefix("jobs."),
            every="day",
            reads=(WATCHES, *self.beside),
            writes=(self.table,),
            function=self.write,
            doc=doc,
            formula=f"{dict(self.sums)} {dict(self.distinct)} {dict(self.extra)}",
        )

    def write(self, lake: Lake, window: Window) -> None:
        """Replace the window's rows by what the lake's tables say now, going on from the table's own where it can."""
        # An empty input says nothing.
        if lake.span(WATCHES) is None:
            return
        inputs = [unmarked(lake.read(WATCHES, until=window.end)), *map(lake.read, self.beside)]
        # Of a window longer than its spans, what moves within it is most of the past.
        is_short = window.end - window.start <= timedelta(days=max(_spans(load(self.table)), default=0))
        before = lake.before(self.table, window) if is_short and self.carries() else None
        with ExitStack() as held:

            def keep(frame: DataFrame) -> DataFrame:
                held.callback(frame.persist().unpersist)
                return frame

            past = None if before is None else self.past(before, keep)
            replace_changes(lake, self.table, self.changes(window, *inputs, past=past), window)

    def changes(self, window: Window, *inputs: DataFrame, past: Past | None = None) -> DataFrame:
        """The table's rows for the days of `window`, of silver.watches (all of the past) and the tables beside it.

        With `past` they go on from rows of the table, and are the same, made of less.
        """
        contract, columns = load(self.table), self.columns()
        state = daily_state(
            self.rows(*inputs), entity_keys(contract), self.sums, self.distinct, _spans(contract), window, past
        )
        return state.select(*[F.expr(made).alias(name) for name, made in columns.items()])

    def past(self, rows: DataFrame, keep: Callable[[DataFrame], DataFrame]) -> Past:
        """What a window goes on from: the table's own rows of the days before it."""
        contract = load(self.table)
        counts = self._counts(contract)
        added = [F.col(name).alias(made) for name, made in self.columns().items() if made in counts]
        return Past(rows.select(*entity_keys(contract), "event_date", *added), keep)

    def carries(self) -> bool:
        """Whether a row says all that the next one is made of, so that a day can go on from the one before.

        If not, each day is made of all of the past.
        """
        contract, columns = load(self.table), self.columns()
        counts = self._counts(contract)
        used = {word for made in columns.values() for word in re.findall(r"\w+", made)} & counts
        return used <= set(columns.values())

    def _counts(self, contract: Contract) -> set[str]:
        """The columns of `daily_state` that are added up from day to day."""
        names = (*self.sums, *self.distinct)
        return {f"{name}_{span}" for name in names for span in span_names(_spans(contract))} | {
            "first_date",
            "last_date",
        }

    def columns(self) -> dict[str, str]:
        """Each column of the contract, in its order, and the Spark SQL that makes it of `daily_state`.

        Raises NothingMakesColumn.
        """
        contract = load(self.table)
        made = {name: name for name in (*contract.key, TIMESTAMP)}
        for span in span_names(_spans(contract)):
            made |= {f"{name}_{span}": f"{name}_{span}" for name in (*self.sums, *self.distinct)}
            made |= {name.format(span=span): sql.format(span=span) for name, sql in self.extra.items()}
        unmade = [c.name for c in contract.columns if c.name not in made]
        if unmade:
            raise NothingMakesColumn(
                f"Nothing makes {', '.join(unmade)} of {self.table}. A column is <name>_<days>d or <name>_total with a "
                f"name that is summed or counted ({', '.join([*self.sums, *self.distinct])}), or one of the extra "
                f"columns ({', '.join(self.extra)}). Correct the contract, or declare what makes it."
            )
        return {c.name: made[c.name] for c in contract.columns}


def replace_changes(lake: Lake, table: str, changes: DataFrame, window: Window) -> None:
    """Write the window's rows. On days that changed nothing there are none, and the newest row before them holds."""
    try:
        lake.replace(table, changes, window)
    except EmptyOutput as nothing:
        if nothing.refused:
            raise
        # What was watched on these days may be gone, as of a person who is forgotten.
        if lake.has(table, window):
            lake.replace(table, changes, window, empty_is_a_fact=True)


def _spans(contract: Contract) -> tuple[int, ...]:
    """The numbers of days that names of the contract's columns end in: 7 of views_7d."""
    ends = [re.search(r"_(\d+)d$", column.name) for column in contract.columns]
    return tuple(sorted({int(end[1]) for end in ends if end}))

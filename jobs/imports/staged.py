"""The usable rows of an import, on disk: in time order, without what is held out, and the videos that they speak of.

Belongs here: what needs all rows at once. DuckDB does it, in MEMORY and beyond that in files beside the rows, so that
10^8 rows need no more memory than 10^5. From rows of a file to these rows, and from these to events: interactions.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.host.files import appearing
from serving.interactions import EventType

if TYPE_CHECKING:
    import duckdb

# What DuckDB may hold before it writes to disk: a home on a laptop has this to spare.
MEMORY = "512MB"
BATCH_ROWS = 50_000
COLUMNS = (
    *(("user_id", "string"), ("video_id", "string"), ("at_ms", "int64"), ("kinds", "string")),
    *(("watch_ms", "int64"), ("share_watched", "double"), ("duration_ms", "int64")),
    *(("session_id", "string"), ("creator_id", "string")),
)


class Staging:
    """Takes rows (COLUMNS in their order; `kinds` holds event types with commas between) to a file."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = folder / "rows.parquet"
        self.count = 0
        self._schema = pa.schema([(name, getattr(pa, kind.replace("double", "float64"))()) for name, kind in COLUMNS])
        self._writer = pq.ParquetWriter(self.path, self._schema)
        self._rows: list[Sequence[Any]] = []

    def add(self, row: Sequence[Any]) -> None:
        self._rows.append(row)
        self.count += 1
        if len(self._rows) == BATCH_ROWS:
            self._write()

    def close(self) -> None:
        self._write()
        self._writer.close()

    def _write(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = [pa.array(values, field.type) for values, field in zip(zip(*self._rows), self._schema)]  # noqa: B905
            self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
            self._rows = []


class Staged:
    """Questions about the staged rows. Use as a context: the files of its own lie beside the rows."""

    def __init__(self, path: Path, hold_out: float) -> None:
        import duckdb

        self._db: duckdb.DuckDBPyConnection = duckdb.connect()
        self._db.execute(f"SET memory_limit = '{MEMORY}'")
        self._db.execute(f"SET temp_directory = {_quoted(path.parent / 'spill')}")
        # A row's number tells equal rows apart, so that the same files give the same events in the same order.
        self._db.execute(f"CREATE VIEW numbered AS SELECT * FROM read_parquet({_quoted(path)}, file_row_number = true)")
        share = Fraction(str(hold_out))  # 0.29 * 100 is 28.999999999999996
        ranked = path.with_name("ranked.parquet")
        if share:
            # The rule of jobs/evaluation/hold_out.py `newest_part`, for more rows than fit into memory.
            self._db.execute(
                f"COPY (SELECT *, row_number() OVER newest <= count(*) OVER (PARTITION BY user_id) * "
                f"{share.numerator} // {share.denominator} AS is_held FROM numbered WINDOW newest AS "
                f"(PARTITION BY user_id ORDER BY at_ms DESC, video_id DESC, file_row_number DESC)) TO {_quoted(ranked)}"
            )
            self._db.execute(f"CREATE VIEW judged AS SELECT * FROM read_parquet({_quoted(ranked)})")
        else:
            self._db.execute("CREATE VIEW judged AS SELECT *, false AS is_held FROM numbered")
        self._db.execute("CREATE VIEW kept AS SELECT * FROM judged WHERE NOT is_held")

    def __enter__(self) -> Staged:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows that are kept, by time."""
        names = ", ".join(name for name, _ in COLUMNS)
        return self._each(f"SELECT {names} FROM kept ORDER BY at_ms, user_id, video_id, file_row_number")

    def videos(self, catalogues: Path) -> Iterator[dict[str, Any]]:
        """video_id, first_at_ms, duration_ms and creator_id of the videos of the rows that are kept.

        Those that a manifest of a catalogue in the folder has are left out.
        """
        known = catalogued(catalogues, "catalogue")
        others = f"ANTI JOIN {known} ON video_id = upload_id" if known else ""
        return self._each(
            "SELECT video_id, min(at_ms) AS first_at_ms, max(duration_ms) AS duration_ms, "
            f"min(creator_id) AS creator_id FROM kept {others} GROUP BY video_id ORDER BY video_id"
        )

    def hold_out_to(self, path: Path) -> int:
        """Write what was watched in the rows that are held out, as user_id, video_id, rating (0 to 5) and event_at.

        Returns how many.
        """
        with appearing(path) as unfinished:
            self._db.execute(
                "COPY (SELECT user_id, video_id, least(coalesce(share_watched, watch_ms / duration_ms, 1), 1) * 5 AS "
                "rating, make_timestamp_ms(at_ms) AT TIME ZONE 'UTC' AS event_at FROM judged "
                f"WHERE is_held AND contains(kinds, '{EventType.VIEW}') "
                f"ORDER BY user_id, at_ms, video_id) TO {_quoted(unfinished)} (FORMAT parquet)"
            )
        return self._one("SELECT count(*) FROM judged WHERE is_held")

    def viewers(self) -> int:
        return self._one("SELECT count(DISTINCT user_id) FROM judged")

    def _each(self, query: str) -> Iterator[dict[str, Any]]:
        # A cursor of its own: two questions may be answered at once.
        for batch in self._db.cursor().sql(query).to_arrow_reader(BATCH_ROWS):
            yield from batch.to_pylist()

    def _one(self, query: str) -> int:
        row = self._db.execute(query).fetchone()
        return int(row[0]) if row else 0


def catalogued(manifests: Path, kind: str) -> str | None:
    """The manifests of a kind of import, as a table for DuckDB with `upload_id`; None while there is none."""
    if not any(manifests.glob(f"{kind}-*.jsonl")):
        return None
    files = _quoted(manifests / f"{kind}-*.jsonl")
    read = f"read_json({files}, columns = {{upload_id: 'VARCHAR'}}, format = 'newline_delimited')"
    return f"(SELECT upload_id FROM {read} WHERE upload_id IS NOT NULL)"


def _quoted(path: Path) -> str:
    """A path as a text of SQL."""
    return "'" + str(path).replace("'", "''") + "'"

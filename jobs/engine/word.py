"""A job's word: the tables that it declares to read and to write, and no others.

Belongs here: the check and its error. What is declared: job.py. What is asked before every read and write: lake.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from jobs.errors import LastingError

if TYPE_CHECKING:
    from jobs.engine.job import Job


class NotDeclared(LastingError):
    """A job reads or writes a table that it did not declare, so that no schedule and no lineage knows of it."""


def keep_word(job: Job | None, what: Literal["reads", "writes"], table: str) -> None:
    """Raises NotDeclared unless the job has declared it; without a job, everything is allowed."""
    if job is None:
        return
    declared = job.reads if what == "reads" else job.writes
    if table not in declared and not (what == "reads" and table in job.recalls):
        line = ", ".join(f'"{name}"' for name in (*declared, table))
        raise NotDeclared(
            f"The job {job.name} {what} {table} and does not declare it. "
            f"Say so in the @job of jobs/{job.name.replace('.', '/')}.py: {what}=[{line}]."
        )

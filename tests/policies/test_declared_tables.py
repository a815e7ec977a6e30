"""A job touches no table that it did not declare: whatever names a table in its module stands in its @job."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from jobs.pipeline import JOBS

READS = {"exists", "newest", "of", "pin", "read", "stream", "version"}
WRITES = {"create", "insert_new", "merge", "quarantine", "release", "replace", "set_aside_of"}


def touched(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The method of the lake and the table, for each call in a module that names its table by a word or a constant."""
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="lake"), attr=method), args=[table, *_]):
                match table:
                    case ast.Constant(value=str(name)):
                        yield method, name
                    case ast.Name(id=name) if isinstance(vars(module).get(name), str):
                        yield method, vars(module)[name]
                    case ast.Attribute(value=ast.Name(id=other), attr=name) if other in vars(module):
                        yield method, getattr(vars(module)[other], name)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_declares_the_tables_that_its_module_names(name: str) -> None:
    job, used = JOBS[name], set(touched(import_module(f"jobs.{name}")))
    # What a job writes it may read: its own past.
    assert {table for method, table in used if method in READS} <= {*job.reads, *job.recalls, *job.writes}
    assert {table for method, table in used if method in WRITES} <= set(job.writes)


def test_most_jobs_name_their_tables_so_that_this_is_seen() -> None:
    named = {name for name in JOBS if list(touched(import_module(f"jobs.{name}")))}
    assert {"media.publish", "ranking.candidates", "events.watches", "feeds.build"} <= named

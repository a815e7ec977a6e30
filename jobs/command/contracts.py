"""Contracts, as a person asks of them: whether all hold, and what a change of them breaks.

Belongs here: which contracts are meant, and what is said. What is breaking: data_contracts/changes.py. Their pages:
jobs/command/site/.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from data_contracts import Contract, contract, load_file
from data_contracts.changes import Change, changes
from data_contracts.check import faults
from jobs.engine.evolution import ContractChanged, alterations
from jobs.engine.tables import Tables, contract_of
from jobs.errors import ReelmillError
from jobs.settings import Settings

PATTERN = "*.odcs.yaml"
FOLDER = "data_contracts"


class NoContracts(ReelmillError):
    """What was named is neither a contract, a folder with some, nor a revision of git that has some."""


def check(settings: Settings) -> tuple[list[str], list[str]]:
    """What is wrong with the contracts and with the tables that a home has of them; and tables that lag behind theirs.

    A table of an older version lags: the next run that writes it brings it up.
    """
    wrong = [fault for path in sorted(contract.ROOT.rglob(PATTERN)) for fault in faults(path)]
    if wrong:
        return wrong, []
    there, behind = Tables.of(settings), []
    for table in there.names():
        try:
            if alterations(there, table):
                behind.append(f"{table} is of an older version of its contract than {contract_of(table).version}.")
        except ContractChanged as changed:
            wrong.append(str(changed))
    return wrong, behind


def diff(before: str, after: str) -> list[Change]:
    """What differs between two sets of contracts, each a file, a folder or a revision of git. Raises NoContracts."""
    return changes(_read(before), _read(after))


def _read(name: str) -> dict[str, Contract]:
    with _files(name) as paths:
        found = {read.table: read for read in map(load_file, paths)}
    if not found:
        raise NoContracts(f"There is no {PATTERN} in {name}.")
    return found


@contextmanager
def _files(name: str) -> Iterator[list[Path]]:
    path = Path(name)
    if path.exists():
        yield [path] if path.is_file() else sorted(path.rglob(PATTERN))
        return
    # A revision that begins with a dash would be an option of git.
    command = ["git", "archive", "--format=tar", "--end-of-options", name, FOLDER]
    archived = subprocess.run(command, capture_output=True, check=False)
    if archived.returncode:
        raise NoContracts(
            f"{name} is no file and no folder, and git has no revision of it with {FOLDER}/ in this folder: "
            f"{archived.stderr.decode(errors='replace').strip()}"
        )
    with TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archived.stdout)) as tar:
        # Of git's own making, in which no path leads out: 3.11.2, which is Debian's, has no filter for others.
        tar.extractall(folder)
        yield sorted(Path(folder).rglob(PATTERN))

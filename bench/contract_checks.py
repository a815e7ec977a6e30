"""What the data contracts cost: the nightly pipeline with all checks in force against the same with checks off.

    python bench/contract_checks.py [--rounds N] [MOVIELENS_FOLDER]

The folder is MovieLens' (ratings.csv, movies.csv, tags.csv), by default the one beside the project's root; the
simulated world will not do, since without checks its broken events fail the tables' constraints. Each run starts
from the same fresh import in a home of its own, by the command and in a new process; the two ways take turns, so that
a busy machine slows both. Prints seconds and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs.imports.movielens import import_movielens
from jobs.settings import REPOSITORY, Settings

BESIDE = REPOSITORY.parent / "shared" / "data" / "ml_latest_small"


def nightly(folder: Path, checks: bool) -> float:
    """Seconds of one nightly pipeline over a fresh home."""
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-") as scratch:
        home = Path(scratch, "home")
        import_movielens(folder, Settings(home=home), hold_out=0.2)
        environment = {**os.environ, "REELMILL_HOME": str(home), "REELMILL_CHECKS": "on" if checks else "off"}
        started = time.monotonic()
        command = [sys.executable, "-m", "jobs.command.cli", "pipeline", "nightly"]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=BESIDE, metavar="MOVIELENS_FOLDER")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.exit(message=f"skipped: no MovieLens files in {arguments.folder}\n")
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(arguments.rounds):
        # The first of a pair finds a colder disk cache, so they change places.
        for checks in (True, False) if number % 2 == 0 else (False, True):
            seconds[checks].append(nightly(arguments.folder, checks))
            print(f"round {number + 1}, checks {'on' if checks else 'off'}: {seconds[checks][-1]:.1f} s", flush=True)
    on, off = (statistics.median(seconds[checks]) for checks in (True, False))
    print(f"median with checks {on:.1f} s, without {off:.1f} s: ratio {on / off:.2f}")


if __name__ == "__main__":
    main()

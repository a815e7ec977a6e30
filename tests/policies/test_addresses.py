"""One place says where a table lies: jobs/engine/tables.py. Everybody else asks it by the table's name."""

import re

from jobs.settings import REPOSITORY

# A path below the lake's folder, or a table that delta-rs opens at an address of somebody's own.
OWN_ADDRESS = re.compile(r"settings(\(\))?\.lake\b|\bDeltaTable\(", re.IGNORECASE)
ROOMS = ("bench", "dags", "data_contracts", "feature_repo", "jobs", "serving")


def test_one_module_makes_the_addresses_of_tables() -> None:
    sources = [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")]
    making = {str(p.relative_to(REPOSITORY)) for p in sources if OWN_ADDRESS.search(p.read_text())}
    assert making == {"jobs/engine/tables.py"}

"""Data contracts: one ODCS v3.1 file per table, and the loader that turns it into everything else.

Belongs here: the contracts (`<layer>/<table>.odcs.yaml`, and `<layer>/made/` for what is made when asked) and what
is derived from them alone: the Spark schema and the Delta table (delta.py) and the Great Expectations suite (suite.py).
Applying a contract to a batch of rows is the lake's work (jobs/engine/lake.py), showing it to people the catalogue's
(dags/catalog.py).
"""

from data_contracts.contract import (
    Column,
    Contract,
    ContractError,
    RowRule,
    TableRule,
    load,
    load_file,
    made,
    tables,
    version_of,
)

__all__ = [
    "Column",
    "Contract",
    "ContractError",
    "RowRule",
    "TableRule",
    "load",
    "load_file",
    "made",
    "tables",
    "version_of",
]

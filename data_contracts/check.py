"""Whether a file is a contract: by the standard's own JSON schema, and by what every contract of ours must say.

Belongs here: a file and its faults. Whether tables are as their contracts say: jobs/engine/evolution.py.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from data_contracts.contract import ContractError, load_file

# ODCS v3.1; the schema that comes with the standard's package reads newer and older ones too.
API_VERSION = "v3.1.0"


def faults(path: Path) -> list[str]:
    """What is wrong with a contract, each in one sentence; none of a good one."""
    try:
        # As JSON has it, which is what the schema is of: dates as text.
        written = json.loads(json.dumps(yaml.load(path.read_text(), Loader=yaml.CSafeLoader), default=str))
    except yaml.YAMLError as error:
        return [f"{path.name} is no YAML: {' '.join(str(error).split())}"]
    found = [f"{path.name}: {error.message} ({_place(error)})" for error in _validator().iter_errors(written)]
    if not found and written["apiVersion"] != API_VERSION:
        found.append(f"{path.name}: its apiVersion is {written['apiVersion']}, not {API_VERSION}")
    if not found:
        try:
            load_file(path)
        except ContractError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


@cache
def _validator() -> Any:
    # Reading the schema and importing the validator take half a second.
    import open_data_contract_standard
    from jsonschema.validators import validator_for

    schema = json.loads(Path(open_data_contract_standard.__file__).with_name("schema.json").read_text())
    return validator_for(schema)(schema)


def _place(error: Any) -> str:
    return "/".join(map(str, error.absolute_path)) or "the whole file"

"""Reads an ODCS v3.1 contract into the few typed facts that the rest of the platform uses.

Belongs here: parsing and the errors of a contract that says too little. What is made of it: delta.py and
suite.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from open_data_contract_standard.model import DataQuality, OpenDataContractStandard, SchemaProperty

ROOT = Path(__file__).parent
CLASSIFICATIONS = frozenset({"public", "internal", "personal"})
# Whose id a column holds; by `kind` it is what the row's column of that name says (KINDS of jobs/ops/person.py).
PEOPLE = frozenset({"viewer", "creator"})
IDENTIFIED = PEOPLE | {"video", "kind"}
_UNITS_OF_TIME = {"d": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1)}
NUMBERS = frozenset({"int", "bigint", "double", "float", "smallint"})
# What every id that comes from outside keeps to (`engine: idRule`, with the column as its implementation). The endpoint
# may not read contracts and says the same in serving/ids.py, which also says why; a test holds the two together.
ID_RULE = r"length({0}) BETWEEN 1 AND 128 AND NOT {0} RLIKE '[\\x00-\\x1f\\x7f/]' AND {0} NOT IN ('.', '..')"


class ContractError(Exception):
    """A contract is missing, malformed, or leaves out what every contract must say."""


@dataclass(frozen=True)
class Limit:
    """What a number should not exceed. A row beyond it stays: a person has to see to what it tells of, by `action`."""

    at_most: float
    action: str


@dataclass(frozen=True)
class Column:
    """One column. `type` is the Spark SQL type; `unit` is None for what is not a number.

    `identifies`, one of IDENTIFIED, says whose id it holds; None where it holds no such id. The personal columns of a
    row are about the viewer, the creator or both whom it names. `limit` is None where any value is as good as another.
    `carried`: the next day's row of a feature table is made of it, and it is no feature itself.
    """

    name: str
    type: str
    description: str
    classification: str
    required: bool
    unit: str | None
    identifies: str | None = None
    limit: Limit | None = None
    carried: bool = False


@dataclass(frozen=True)
class RowRule:
    """A Spark SQL predicate that every row keeps; as in a CHECK constraint, NULL passes."""

    name: str
    predicate: str
    description: str


@dataclass(frozen=True)
class JobRule:
    """A reason for which the writing job sets aside what never becomes a row, such as a line that is no JSON."""

    name: str
    description: str


@dataclass(frozen=True)
class TableRule:
    """One Great Expectations expectation over a whole batch, by its snake_case type."""

    name: str
    type: str
    kwargs: Mapping[str, Any]
    description: str


@dataclass(frozen=True)
class Contract:
    """What one table promises. `window_column` is the date or timestamp by which windows of it are replaced, and if it
    `expires`, rows that are older by it than the newest one by more than the retention are removed.

    `key_within`: keys are compared of rows that are no further apart by the window column; None where a key is there
    once, whatever the time. `feature_view` is the name under which the feature store serves the table, None where it
    holds no features. Then `behind` says how long, such as 1 d, something that happened may be missing in a feature;
    else they are exact.
    """

    table: str
    version: str
    description: str
    usage: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    window_column: str | None
    key_within: timedelta | None
    feature_view: str | None
    behind: str | None
    row_rules: tuple[RowRule, ...]
    job_rules: tuple[JobRule, ...]
    table_rules: tuple[TableRule, ...]
    freshness: str
    retention: str
    expires: bool

    @property
    def limits(self) -> dict[str, Limit]:
        """The limits of its columns, by their names."""
        return {column.name: column.limit for column in self.columns if column.limit}

    @property
    def privacy(self) -> str:
        """The strictest class of its columns."""
        classes = {column.classification for column in self.columns}
        return next(name for name in ("personal", "internal", "public") if name in classes)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when the contract has none."""
        return {c.name: c for c in self.columns}[name]


def tables() -> tuple[str, ...]:
    """The names of all contracted tables, sorted."""
    return tuple(sorted(f"{p.parent.name}.{p.name.removesuffix('.odcs.yaml')}" for p in ROOT.glob("*/*.odcs.yaml")))


def made() -> tuple[str, ...]:
    """The names of what is asked like a table and made when it is asked, so that no job writes it; sorted."""
    found = ROOT.glob("*/made/*.odcs.yaml")
    return tuple(sorted(f"{p.parent.parent.name}.{p.name.removesuffix('.odcs.yaml')}" for p in found))


def version_of(table: str) -> str:
    """The version of a table's contract alone: to read all of it takes as long as a query does."""
    return str(yaml.load(_path(table).read_text(), Loader=yaml.CSafeLoader)["version"])


def _path(table: str) -> Path:
    layer, _, name = table.partition(".")
    return ROOT / layer / ("made" if table in made() else "") / f"{name}.odcs.yaml"


@cache
def load(table: str) -> Contract:
    """The contract of one table. Raises ContractError when there is none or it is incomplete."""
    path = _path(table)
    if not path.exists():
        raise ContractError(
            f"There is no contract for the table {table!r}; the contracted tables are {list(tables())}."
        )
    contract = load_file(path)
    if contract.table != table:
        raise ContractError(f"{path.name} names the table {contract.table!r}, but its place says {table!r}.")
    return contract


def load_file(path: Path) -> Contract:
    """Parse one file. Raises ContractError naming the file and what it lacks."""
    # The model of the standard takes 0.3 s to import, and whoever only asks which tables there are needs none.
    from open_data_contract_standard.model import OpenDataContractStandard
    from pydantic import ValidationError

    try:
        # libyaml is ten times as fast, and every process reads most of the contracts.
        written = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        odcs = OpenDataContractStandard.model_validate(written)
        return _contract(odcs)
    except (ValidationError, yaml.YAMLError, ContractError) as error:
        raise ContractError(f"{path.name}: {error}") from error


def number(version: str) -> tuple[int, ...]:
    """A version of a contract, to be compared."""
    return tuple(int(part) for part in version.split("."))


def span(written: str) -> timedelta:
    """An age as contracts write it: 5 min, 1 h, 30 d."""
    value, unit = written.split()
    return float(value) * _UNITS_OF_TIME[unit]


def _contract(odcs: OpenDataContractStandard) -> Contract:
    from open_data_contract_standard.model import Description

    if not odcs.schema_ or len(odcs.schema_) != 1:
        raise ContractError("a contract describes exactly one table under `schema`")
    schema = odcs.schema_[0]
    properties = schema.properties or []
    keys = sorted((p for p in properties if p.primaryKey), key=lambda p: p.primaryKeyPosition or 0)
    sla = {s.property: f"{s.value} {s.unit}" for s in odcs.slaProperties or []}
    described = odcs.description if isinstance(odcs.description, Description) else Description()
    quality = [*(schema.quality or []), *(q for p in properties for q in p.quality or [])]
    return Contract(
        table=_said(odcs.id, "id"),
        version=_said(odcs.version, "version"),
        description=_said(schema.description, "schema.description"),
        usage=_said(described.usage, "description.usage"),
        grain=_said(schema.dataGranularityDescription, "dataGranularityDescription"),
        columns=tuple(_column(p) for p in properties),
        key=tuple(_said(p.name, "name") for p in keys),
        window_column=_custom(schema).get("windowColumn"),
        key_within=_key_within(_custom(schema)),
        feature_view=_custom(schema).get("featureView"),
        behind=_behind(_custom(schema)),
        row_rules=tuple(_row_rule(q) for q in quality if q.engine in ("rowRule", "idRule")),
        job_rules=tuple(_job_rule(q) for q in quality if q.engine == "jobRule"),
        table_rules=tuple(_table_rule(q) for q in quality if q.engine == "greatExpectations"),
        freshness=_said(sla.get("freshness"), "slaProperties.freshness"),
        retention=_said(sla.get("retention"), "slaProperties.retention"),
        expires=_expires(_custom(schema)),
    )


def _expires(custom: dict[str, str]) -> bool:
    if "expires" in custom and (custom["expires"] != "True" or "windowColumn" not in custom):
        raise ContractError("a table that `expires` says true, and by which windowColumn")
    return "expires" in custom


def _key_within(custom: dict[str, str]) -> timedelta | None:
    if "keyWithin" not in custom:
        return None
    if "windowColumn" not in custom:
        raise ContractError("keys that are compared within a time need a windowColumn that says when a row is of")
    return span(custom["keyWithin"])


def _behind(custom: dict[str, str]) -> str | None:
    if ("behind" in custom) != ("featureView" in custom):
        raise ContractError(
            "a table with a `featureView` says by `behind` how old its features may be, and no other does"
        )
    return custom.get("behind")


def _column(p: SchemaProperty) -> Column:
    name = _said(p.name, "a property's name")
    kind = _said(p.physicalType, f"{name}.physicalType")
    unit = _custom(p).get("unit")
    if kind in NUMBERS and unit is None:
        raise ContractError(f"the number {name!r} has no unit (customProperties: unit)")
    if p.classification not in CLASSIFICATIONS:
        raise ContractError(f"{name}.classification is {p.classification!r}, not one of {sorted(CLASSIFICATIONS)}")
    identifies = _custom(p).get("identifies")
    if identifies is not None and identifies not in IDENTIFIED:
        raise ContractError(f"{name} identifies {identifies!r}, which is not one of {sorted(IDENTIFIED)}")
    description = _said(p.description, f"{name}.description")
    if _custom(p).get("carried", "True") != "True":
        raise ContractError(f"{name} is `carried: true`, or says nothing of it")
    carried = "carried" in _custom(p)
    limit = _limit(name, kind, p)
    return Column(name, kind, description, p.classification, bool(p.required), unit, identifies, limit, carried)


def _limit(name: str, kind: str, p: SchemaProperty) -> Limit | None:
    custom = _custom(p)
    if "limit" not in custom:
        return None
    if kind not in NUMBERS:
        raise ContractError(f"{name} has a limit and is no number")
    return Limit(float(custom["limit"]), _said(custom.get("beyondLimit"), f"{name}.beyondLimit"))


def _row_rule(q: DataQuality) -> RowRule:
    name = _said(q.name, "a row rule's name")
    if not isinstance(q.implementation, str):
        raise ContractError(f"the row rule {name!r} needs a Spark SQL predicate as its implementation")
    predicate = ID_RULE.format(q.implementation) if q.engine == "idRule" else q.implementation
    return RowRule(name, predicate, q.description or "")


def _job_rule(q: DataQuality) -> JobRule:
    name = _said(q.name, "a job rule's name")
    return JobRule(name, _said(q.description, f"{name}.description"))


def _table_rule(q: DataQuality) -> TableRule:
    name = _said(q.name, "a table rule's name")
    if not isinstance(q.implementation, dict) or "type" not in q.implementation:
        raise ContractError(f"the table rule {name!r} needs an expectation's type and kwargs as its implementation")
    return TableRule(name, q.implementation["type"], q.implementation.get("kwargs", {}), q.description or "")


def _custom(described: Any) -> dict[str, str]:
    return {p.property: str(p.value) for p in described.customProperties or []}


def _said(value: str | None, what: str) -> str:
    if not value:
        raise ContractError(f"`{what}` is missing")
    return value

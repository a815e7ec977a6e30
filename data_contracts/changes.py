"""What differs between two versions of contracts, and which of it breaks what somebody relies on.

Belongs here: that classification, from contracts alone. Where the versions come from, and what is said of them:
jobs/command/contracts.py. Bringing a table that is there up to its contract: jobs/engine/evolution.py.

Breaking is what makes a query that was right wrong or impossible, or what the rows that are there cannot follow: a
column that is gone, is of another type or unit, may be NULL now or may no longer be; another key or grain in time; a
rule that no longer holds or says something else; a longer age, a shorter memory; a class of privacy that asks for more
care. Everything else, and every word, is compatible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from data_contracts.contract import CLASSIFICATIONS, Column, Contract, number, span

# From the least to the most care.
CARE = ("public", "internal", "personal")
assert set(CARE) == CLASSIFICATIONS


@dataclass(frozen=True)
class Change:
    """One difference. `is_versioned`: the contract has a higher version than before, as a breaking one needs."""

    table: str
    what: str
    is_breaking: bool
    is_versioned: bool

    def __str__(self) -> str:
        kind = "breaking" if self.is_breaking else "compatible"
        missing = " The contract has no higher version." if self.is_breaking and not self.is_versioned else ""
        return f"{self.table}: {kind}: {self.what}.{missing}"


def changes(before: Mapping[str, Contract], after: Mapping[str, Contract]) -> list[Change]:
    """The differences of contracts by table, in the order of their names."""
    found = []
    for table in sorted({*before, *after}):
        old, new = before.get(table), after.get(table)
        if old is None:
            found.append(Change(table, "the table is new", is_breaking=False, is_versioned=True))
        elif new is None:
            found.append(Change(table, "the table is gone", is_breaking=True, is_versioned=False))
        else:
            higher = number(new.version) > number(old.version)
            found += [Change(table, what, breaks, higher) for what, breaks in _differences(old, new)]
    return found


def _differences(old: Contract, new: Contract) -> Iterator[tuple[str, bool]]:
    """What differs in one table, and whether it breaks something."""
    if old.key != new.key:
        yield f"its key was {', '.join(old.key)} and is {', '.join(new.key)}", True
    for name, one, other in (
        ("the column by which it is cut into windows", old.window_column, new.window_column),
        ("its feature view", old.feature_view, new.feature_view),
    ):
        if one != other:
            yield f"{name} was {one or 'none'} and is {other or 'none'}", one is not None
    if old.key_within != new.key_within:
        was, now = (f"within {one.key_within}" if one.key_within else "always" for one in (old, new))
        yield f"a key was there once {was} and is {now}", new.key_within is not None
    yield from _columns(old, new)
    yield from _rules(old, new)
    if span(old.freshness) != span(new.freshness):
        yield f"it may become {new.freshness} old, not {old.freshness}", span(new.freshness) > span(old.freshness)
    if old.behind and new.behind and span(old.behind) != span(new.behind):
        yield f"its features may be {new.behind} behind, not {old.behind}", span(new.behind) > span(old.behind)
    if span(old.retention) != span(new.retention):
        yield f"its rows are kept {new.retention}, not {old.retention}", span(new.retention) < span(old.retention)
    if old.expires != new.expires:
        yield f"rows that are older than that are {'removed' if new.expires else 'no longer removed'}", False
    for words in ("description", "usage", "grain"):
        if getattr(old, words) != getattr(new, words):
            yield f"its {words} has other words", False


def _columns(old: Contract, new: Contract) -> Iterator[tuple[str, bool]]:
    was, now = ({column.name: column for column in contract.columns} for contract in (old, new))
    for name in sorted(was.keys() - now.keys()):
        yield f"the column {name} is gone", True
    for name in sorted(now.keys() - was.keys()):
        if now[name].required:
            yield f"the column {name} is new and required, and the rows that are there have none", True
        else:
            yield f"the column {name} is new and may be NULL", False
    both = [column.name for column in old.columns if column.name in now]
    for name in both:
        yield from _column(was[name], now[name])
    if both != [column.name for column in new.columns if column.name in was]:
        yield "its columns have another order", False


def _column(old: Column, new: Column) -> Iterator[tuple[str, bool]]:
    for fact in ("type", "unit"):
        if getattr(old, fact) != getattr(new, fact):
            yield f"the {fact} of {old.name} was {getattr(old, fact)} and is {getattr(new, fact)}", True
    if old.required != new.required:
        yield f"{old.name} {'may no longer' if new.required else 'may now'} be NULL", True
    if old.classification != new.classification:
        more = CARE.index(new.classification) > CARE.index(old.classification)
        yield f"{old.name} was {old.classification} and is {new.classification}", more
    if old.identifies != new.identifies:
        one, other = old.identifies or "nobody", new.identifies or "nobody"
        yield f"{old.name} identified {one} and identifies {other}", False
    if old.carried != new.carried:
        yield f"{old.name} is {'no longer a feature' if new.carried else 'a feature now'}", new.carried
    if old.limit != new.limit:
        yield f"the limit of {old.name} is another, or what to do beyond it", False
    if old.description != new.description:
        yield f"the description of {old.name} has other words", False


def _rules(old: Contract, new: Contract) -> Iterator[tuple[str, bool]]:
    was, now = (
        {
            **{rule.name: rule.predicate for rule in contract.row_rules},
            **{rule.name: f"{rule.type}{dict(rule.kwargs)}" for rule in contract.table_rules},
            # What a job refuses is in its code, and never was a promise about the rows that are there.
            **{rule.name: "" for rule in contract.job_rules},
        }
        for contract in (old, new)
    )
    for name in sorted(was.keys() - now.keys()):
        yield f"the rule {name} is gone", bool(was[name])
    for name in sorted(now.keys() - was.keys()):
        yield f"the rule {name} is new", False
    for name in sorted(was.keys() & now.keys()):
        if was[name] != now[name]:
            yield f"the rule {name} was `{was[name]}` and is `{now[name]}`", True

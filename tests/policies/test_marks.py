"""A marked watch counts nowhere: whatever reads silver.watches leaves it out by one function, or says why not."""

import ast
import re
from collections.abc import Iterator

import data_contracts
from jobs.events.marks import RULES, unmarked
from jobs.settings import REPOSITORY
from tests.policies.test_rooms import tracked

READS = {"read", "of", "own", "newest"}
# Functions that read the table as it is, and why.
OF_ALL = {
    "events/watches.py _remake": "marks it",
    "ranking/examples.py run": "`examples` leaves out what was shown and then watched so, and counts the others",
    "feeds/rewards.py run": "`labelled` leaves out the slots that were watched so",
    "feeds/compare.py run": "`followed` leaves out the slots that were watched so",
    "feeds/compare.py together": "`followed` leaves out the slots that were watched so",
    "feeds/explain.py why_not": "a viewer has seen what they watched, however",
    "feeds/publish.py nobodys": "asks only whether the table is lost",
}


def readers() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Each function of a job or a room that reads silver.watches by its name."""
    for path in tracked("jobs"):
        source = (REPOSITORY / path).read_text()
        if not re.search(r"WATCHES|silver\.watches", source):
            continue
        for function in ast.walk(ast.parse(source)):
            if isinstance(function, ast.FunctionDef) and any(map(_reads_watches, ast.walk(function))):
                yield f"{path.relative_to('jobs')} {function.name}", function


def _reads_watches(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr=method), args=[table, *_]) if method in READS:
            return ast.unparse(table) in ("WATCHES", "'silver.watches'")
    return False


def test_whatever_reads_watches_leaves_marked_ones_out_or_says_why_not() -> None:
    every = dict(readers())
    counting = {name for name, function in every.items() if f"{unmarked.__name__}(" in ast.unparse(function)}
    assert set(every) - counting == set(OF_ALL)
    assert {"features/tables.py write", "features/hourly.py write", "ranking/candidates.py run"} <= counting


def test_the_contract_describes_every_rule_as_it_is() -> None:
    described = data_contracts.load("silver.watches").column("marks").description
    for name, words in RULES.items():
        assert f"{name} ({words})" in described

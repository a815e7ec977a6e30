"""From a contract to its Great Expectations suite, and the verdict of that suite on a batch.

Belongs here: table rules, about a batch as a whole. Rules about single rows are predicates that the lake evaluates in
one pass together with the counts (jobs/engine/lake.py), since Great Expectations would scan the batch once more for
each. Great Expectations takes seconds to import, so only the functions here do.
"""

from __future__ import annotations

import logging
import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from data_contracts.contract import Contract

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
    from pyspark.sql import DataFrame

# The context is one for all jobs of a process; of two that ask about a table at once, one would find the other's batch.
_ASKING = threading.Lock()


def suite(contract: Contract) -> ExpectationSuite:
    """The suite of one table: exactly the contract's columns, in order, then its table rules."""
    import great_expectations as gx
    from great_expectations.expectations.registry import get_expectation_impl

    rules: list[tuple[str, dict[str, Any]]] = [
        ("expect_table_columns_to_match_ordered_list", {"column_list": [c.name for c in contract.columns]}),
        *((rule.type, dict(rule.kwargs)) for rule in contract.table_rules),
    ]
    return gx.ExpectationSuite(
        name=contract.table, expectations=[get_expectation_impl(kind)(**kwargs) for kind, kwargs in rules]
    )


def broken_table_rules(contract: Contract, batch: DataFrame) -> list[str]:
    """The table rules that the batch breaks, each as "expectation: what was seen"; empty when it keeps them all.

    A suite that cannot be evaluated counts as broken: an exception inside a metric must not pass for a success.
    """
    with _ASKING:
        source = _context().data_sources.add_or_update_spark(name=contract.table)
        whole = source.add_dataframe_asset(name=contract.table).add_batch_definition_whole_dataframe(contract.table)
        result = whole.get_batch(batch_parameters={"dataframe": batch}).validate(suite(contract), result_format="BASIC")
    if result.success:
        return []
    return [_failure(r) for r in result.results if not r.success] or ["the suite gave no verdict"]


def _failure(result: Any) -> str:
    observed = result.result.get("observed_value", result.result.get("details"))
    raised = [e["exception_message"] for e in result.exception_info.values() if isinstance(e, dict)]
    expected = {k: v for k, v in result.expectation_config.kwargs.items() if k != "batch_id"}
    return f"{result.expectation_config.type}{expected}: {raised[0] if raised else f'saw {observed}'}"


@cache
def _context() -> EphemeralDataContext:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    # Its own progress bars, one per table, would drown the pipeline's.
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context

"""Reads the DAG folder as Airflow's DAG processor does and prints what it found as JSON.

Run in a process of its own: importing Airflow takes seconds, rewires logging and writes into AIRFLOW_HOME.
"""

import json
import multiprocessing
import sys
import time
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions.deadline import DeadlineAlert


def import_alone(path: Path) -> dict[str, Any]:
    """What importing one file costs in a fresh fork of a process that has Airflow, which is how it is parsed."""
    before = set(sys.modules)
    clock = time.process_time()
    bag = DagBag(dag_folder=path)
    return {
        "cpu_seconds": time.process_time() - clock,
        "modules": sorted(set(sys.modules) - before),
        "dags": sorted(bag.dags),
    }


def task_facts(task: Any) -> dict[str, Any]:
    return {
        "type": type(task).__name__,
        "owner": task.owner,
        "retries": task.retries,
        "timeout_s": task.execution_timeout.total_seconds() if task.execution_timeout else None,
        "doc": task.doc_md,
        "inlets": sorted(asset.name for asset in task.inlets),
        "outlets": sorted(asset.name for asset in task.outlets),
        "upstream": sorted(task.upstream_task_ids),
        "trigger_rule": task.trigger_rule,
    }


def job_facts(task: Any) -> dict[str, Any]:
    return {
        **task_facts(task),
        "application": task.application,
        "arguments": task.application_args,
        "conf": task.conf,
        "pool": task.pool,
    }


def main() -> None:
    importing_airflow = time.process_time()
    folder = Path(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as fresh:
        # The lesser of two: whoever works beside it on the machine makes it slower, and nobody makes it faster.
        files = {
            path.name: min((fresh.apply(import_alone, (path,)) for _ in range(2)), key=itemgetter("cpu_seconds"))
            for path in sorted(folder.glob("reelmill_*.py"))
        }
    bag = DagBag(dag_folder=folder)
    dags = {
        dag.dag_id: {
            "doc": dag.doc_md,
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "params": dag.params.dump(),
            "file": Path(dag.fileloc).name,
            "deadlines": sorted(str(deadline.name) for deadline in cast("list[DeadlineAlert]", dag.deadline or [])),
            "gates": {task.task_id: task_facts(task) for task in dag.tasks if type(task).__name__ == "Gate"},
            "tasks": {task.task_id: job_facts(task) for task in dag.tasks if type(task).__name__ != "Gate"},
        }
        for dag in bag.dags.values()
    }
    found = {"files": files, "errors": bag.import_errors, "dags": dags}
    print(json.dumps({"airflow_cpu_seconds": importing_airflow, **found}))


if __name__ == "__main__":
    main()

"""The first task of a DAG of five-minute and hourly jobs: it is skipped, and all others with it, when none has work.

Belongs here: the task, and its trigger. Whether a job has anything to do: jobs/engine/idle.py. When there is a gate:
wiring.py.

Starting a process for a task takes seconds of processor time, each five minutes, so this one has none: the triggerer,
which runs in any case, looks (decision 0029).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from dags.purpose import purpose
from jobs.errors import ReelmillError


class Gate(BaseOperator):
    """Skips a scheduled run of five-minute and hourly jobs when none has anything to do; its log has the reasons.

    A run by hand always takes place. It is decided in the triggerer, without a process of its own.
    """

    start_from_trigger = True

    def __init__(self, *, jobs: Sequence[str], **kwargs: Any) -> None:
        super().__init__(doc_md=self.__doc__, **kwargs)
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{Look.__module__}.{Look.__name__}",
            trigger_kwargs={"jobs": list(jobs)},
            next_method="execute",  # never: each of the events ends the task
        )


class Look(BaseTrigger):
    """Looks once whether any of the jobs has something to do in the run of its task."""

    def __init__(self, jobs: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own has no types
        self.jobs = jobs

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__name__}", {"jobs": self.jobs}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # The triggerer has given it one, with the run, since its task starts from the trigger.
        context = self.task_instance.get_template_context()  # type: ignore[union-attr]
        reasons: list[str] = []
        if context["dag_run"].run_type != "manual":
            at = purpose(context["dag_run"], context["params"])
            try:
                # In a thread: other triggers wait for none of this.
                reasons = await asyncio.to_thread(_all_idle, self.jobs, ["--date", at])
            except ReelmillError as error:
                self.log.warning("Not known, so that the jobs run and see for themselves: %s", error)
        for reason in reasons:
            self.log.info(reason)
        yield TaskSkippedEvent() if reasons else TaskSuccessEvent()


def _all_idle(jobs: Sequence[str], arguments: Sequence[str]) -> list[str]:
    from jobs import submit  # imports PySpark, which no parse of a DAG file shall

    return submit.all_idle(jobs, arguments)

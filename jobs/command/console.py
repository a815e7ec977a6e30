"""What the command prints: tables, progress and JSON.

Belongs here: presentation only, for people (rich) or for programs (JSON on standard output, nothing else there).
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from jobs.host.finite import finite

if TYPE_CHECKING:
    from data_contracts.changes import Change
    from jobs.arrivals.handover import Progress as Tell
    from jobs.command.doctor import Finding
    from jobs.command.variables import Variable
    from jobs.engine.late import Late
    from jobs.engine.limits import Measured
    from jobs.engine.plan import Step
    from jobs.engine.query import TableFacts
    from jobs.engine.runs import JobRun
    from jobs.engine.upkeep import Tended
    from jobs.imports.catalogue import CatalogueReport
    from jobs.imports.interactions import ImportReport
    from jobs.media.answers import Answer
    from jobs.ops.forget import Report
    from jobs.settings import Settings

# No markup: a title such as "[/b]" is shown as it is. A file or a pipe has no width to keep to.
terminal = Console(markup=False, highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)


# How the answer to a query is printed.
Form = Literal["table", "json", "csv"]


def say(text: str) -> None:
    terminal.print(text)


def heading(title: str, what: str = "") -> None:
    terminal.print(Text.assemble("\n", (title, "bold"), what))


def status(text: str) -> AbstractContextManager[Any]:
    """A spinner while something of unknown length runs."""
    return terminal.status(text)


@contextmanager
def steps() -> Iterator[Tell]:
    """Progress of work that counts rows: one bar a step, with its rate and the time left."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=terminal, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, rate="")
            bars.update(tasks[what], completed=done, total=total)
            speed = next(t.speed for t in bars.tasks if t.id == tasks[what])
            bars.update(tasks[what], rate=f"{speed:,.0f}/s" if speed else "")

        yield tell


def run(done: JobRun) -> None:
    """One line for a job that has run."""
    aside = f", {done.quarantined:,} set aside" if done.quarantined else ""
    line = f" {done.job:<22} {done.rows:>10,} rows  {done.seconds:>6.1f} s"
    terminal.print(Text.assemble(("✓", "green"), line, (aside, "yellow")))
    for warning in done.warnings:
        terminal.print(Text(f"  {_printable(warning)}", "yellow"))


def runs(done: Sequence[JobRun]) -> None:
    """The table of what ran."""
    rows = [(r.job, f"{r.rows:,}", f"{r.quarantined:,}", f"{r.seconds:.1f}", _size(r.bytes)) for r in done]
    total = ("", f"{sum(r.rows for r in done):,}", "", f"{sum(r.seconds for r in done):.1f}", "")
    table(("job", "rows", "set aside", "seconds", "written"), [*rows, total], right=(1, 2, 3, 4))


def fields(report: Any) -> None:
    """A dataclass, one field a line, without those that say nothing."""
    for name, value in asdict(report).items():
        if value is None or value == ():
            continue
        if isinstance(value, tuple):
            value = f"{len(value)}: {value[0]} ..." if len(value) > 1 else ", ".join(map(str, value))
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.1f}" if isinstance(value, float) else value
        terminal.print(f"{name.replace('_', ' '):<16} {shown}")


def words(said: Mapping[str, Any]) -> None:
    """What a contract says of a table, one thing a line."""
    for name, value in said.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        terminal.print(Text.assemble((f"{name.replace('_', ' '):<17}", "bold"), _printable(text)))


def imported(report: CatalogueReport | ImportReport) -> None:
    """What an import handed over, and why what it refused was refused."""
    fields(replace(report, reasons=()))
    for reason in report.reasons:
        terminal.print(Text(f"  refused {_printable(reason)}", "yellow"))


def findings(found: Sequence[Finding], as_json: bool) -> None:
    if as_json:
        return print_json([asdict(f) for f in found])
    for f in found:
        mark = ("✓", "green") if f.found else ("✗", "red")
        terminal.print(Text.assemble(mark, f" {f.what:<18} {f.detail}"))


def tables(facts: Sequence[TableFacts], as_json: bool) -> None:
    if as_json:
        return print_json([asdict(f) for f in facts])
    rows = [(f.name, str(f.version), f"{f.rows:,}", _size(f.bytes), f.path) for f in facts]
    table(("table", "version", "rows", "size", "path"), rows, right=(1, 2, 3))


def tended(done: Sequence[Tended], as_json: bool) -> None:
    if as_json:
        return print_json([asdict(one) for one in done])
    rows = [(t.table, f"{t.rows:,}", f"{t.loose:,}", f"{t.removed:,}", f"{t.files:,}") for t in done]
    table(("table", "rows expired", "put together", "files removed", "files now"), rows, right=(1, 2, 3, 4))
    for one in done:
        if one.left:
            terminal.print(Text(f"No old file of {one.table} was removed: {one.left}.", "yellow"))


def forgotten(report: Report, as_json: bool) -> None:
    if as_json:
        return print_json(asdict(report))
    rows = [
        (one.place, f"{one.count:,}", f"{one.readable_until:%Y-%m-%d %H:%M} UTC" if one.readable_until else "")
        for one in report.removed
    ]
    table(("place", "removed", "older versions are kept at least until"), rows, right=(1,))
    for note in report.notes:
        say(note)


def jobs(settings: Settings, as_json: bool) -> None:
    from jobs.engine.runs import newest
    from jobs.pipeline import JOBS

    last = newest(settings)
    listed: list[dict[str, Any]] = [
        {
            "job": j.name,
            "every": j.every,
            "reads": [*j.reads, *j.recalls],
            "writes": list(j.writes),
            "last_status": last.get(j.name, (None,) * 3)[0],
            "last_started_at": last.get(j.name, (None,) * 3)[1],
            "last_seconds": last.get(j.name, (None,) * 3)[2],
        }
        for j in JOBS.values()
    ]
    if as_json:
        return print_json(listed)
    rows = [
        (
            j["job"],
            j["every"],
            ", ".join(j["reads"]),
            ", ".join(j["writes"]),
            f"{j['last_status']} {j['last_started_at']:%Y-%m-%d %H:%M}" if j["last_status"] else "never",
        )
        for j in listed
    ]
    table(("job", "every", "reads", "writes", "last run (UTC)"), rows)


def settings(known: Sequence[Variable], unknown: Sequence[str], as_json: bool) -> None:
    if as_json:
        return print_json({"settings": [asdict(v) for v in known], "unknown": unknown})
    rows = [(Text(v.name, "bold" if v.is_set else ""), v.value, v.meaning) for v in known]
    table(("variable", "is now", "meaning"), rows)
    say("Those in bold are set; the others have their defaults.")
    for name in unknown:
        terminal.print(Text(f"{name} is set and is no setting: it changes nothing. Is it misspelt?", "yellow"))


def plan(steps: Sequence[Step], as_json: bool) -> None:
    """What a change makes anew, and by what."""
    if as_json:
        return print_json([asdict(step) for step in steps])
    rows = [
        (
            step.job,
            str(step.runs or ""),
            f"{step.rows:,}" if step.runs else "",
            f"{step.last_seconds:.1f}" if step.runs and step.last_seconds is not None else "",
            ", ".join(step.because),
            step.how,
        )
        for step in steps
    ]
    say(f"{steps[0].window}: {len(steps)} jobs")
    table(("job", "runs", "rows at most", "seconds a run", "since it reads", "how"), rows, right=(1, 2, 3))


def changes(found: Sequence[Change], as_json: bool) -> None:
    if as_json:
        return print_json([asdict(one) for one in found])
    for one in found:
        terminal.print(Text(str(one), "yellow" if one.is_breaking else ""))
    if not found:
        say("Nothing differs.")


def late(found: Sequence[Late], as_json: bool) -> None:
    if as_json:
        return print_json([asdict(one) for one in found])
    for one in found:
        say(_printable(str(one)))
    if not found:
        say("No table is late.")


def condition(overdue: Sequence[Late], measured: Sequence[Measured], as_json: bool) -> None:
    """What is late, and of each table with limits what is beyond them on its newest day."""
    if as_json:
        beyond = [asdict(one) for each in measured for one in each.beyond]
        return print_json({"late": [asdict(one) for one in overdue], "beyond_limits": beyond})
    late(overdue, as_json=False)
    for each in measured:
        say(f"{each.table} of {each.day}: {len(each.beyond) or 'nothing'} beyond a limit.")
        for one in each.beyond:
            say(f"  {_printable(str(one))}")


def result(columns: Sequence[str], rows: Iterable[Sequence[Any]], form: Form, at_most: int | None = None) -> None:
    """The answer to a query, of which a table shows `at_most` rows; CSV goes out as it comes, lists in it as JSON."""
    match form:
        case "json":
            names = _distinct(columns)
            print_json([dict(zip(names, map(finite, row), strict=True)) for row in rows])
        case "csv":
            lines = csv.writer(sys.stdout, lineterminator="\n")
            lines.writerow(columns)
            lines.writerows([_plain(value) for value in row] for row in rows)
        case "table":
            shown = list(islice(rows, at_most))
            table(columns, [["" if v is None else str(v) for v in row] for row in shown])
            more = at_most is not None and next(iter(rows), None) is not None
            say(
                f"{len(shown):,} row{'' if len(shown) == 1 else 's'}{', and more: LIMIT says how many' if more else ''}"
            )


def _plain(value: Any) -> Any:
    return json.dumps(finite(value), default=str, ensure_ascii=False) if isinstance(value, list | dict) else value


def uploads(answers: Sequence[Answer], settings: Settings) -> None:
    """What became of each upload, and where those that were published play."""
    from jobs.host.address import playback_address

    colour = {"published": "green", "refused": "yellow", "set aside": "yellow"}
    shown = [(a.title, Text(a.status, colour.get(a.status, "")), a.detail, a.upload_id) for a in answers]
    table(("title", "status", "reason", "video"), shown)
    for answer in answers:
        if answer.playback_path:
            # A line of its own, unbroken: an address is there to be copied.
            say(f"{answer.upload_id} plays at {playback_address(settings, answer.playback_path)}")


def feed(items: Sequence[dict[str, Any]]) -> None:
    """The slots of a feed page."""
    rows = [(str(i["position"]), i["video_id"], i["title"], i["reason"]) for i in items]
    table(("slot", "video", "title", "why"), rows, right=(0,))


def table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]], right: Sequence[int] = ()) -> None:
    """Cells under their heads; `right` numbers the columns that stand on the right."""
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(_printable(cell) if isinstance(cell, str) else cell for cell in row))
    terminal.print(grid, soft_wrap=False)


def _printable(text: str) -> str:
    """Without what would steer the terminal: a title may hold escape sequences."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _distinct(columns: Sequence[str]) -> list[str]:
    """The names, equal ones numbered from the second on (id, id_2), since a JSON object keeps only one of each."""
    names: list[str] = []
    for column in columns:
        number, name = 1, column
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def print_json(value: Any) -> None:
    """JSON for programs."""
    print(json.dumps(value, default=str, indent=2, ensure_ascii=False))


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"

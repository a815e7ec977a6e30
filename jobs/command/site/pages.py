"""The pages of the site: an overview, one page a table, the jobs, the lineage and the keys.

Belongs here: what stands on each page, as HTML. What is told: facts.py. Pictures: pictures.py. Looks: style.css.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from pathlib import Path

from data_contracts import RowRule, TableRule, made
from data_contracts.contract import JobRule
from jobs.command.site import pictures
from jobs.command.site.facts import Facts, Told, gather
from jobs.engine.job import Job
from jobs.host.files import appearing
from jobs.settings import Settings

HERE = Path(__file__).parent
LAYERS = {
    "gold": "What is computed for somebody: features, candidates, models, feeds.",
    "silver": "What is true: published videos and what was watched, each once.",
    "bronze": "What came in, as it came.",
    "ops": "What tells of the platform itself: runs, lateness, decisions.",
    "quarantine": "What was set aside: rows that broke a rule, whole, with its name.",
}
CADENCES = {"5min": "every five minutes", "hour": "every hour", "day": "every day", "night": "every night"}


def write(jobs: Mapping[str, Job], settings: Settings, folder: Path, now: datetime) -> Path:
    """Write the site; each file appears whole. Returns the page to begin with."""
    facts = gather(jobs, settings, now)
    # Without links, which lead nowhere from elsewhere.
    keys = pictures.alone(_keys_picture(facts, {}), (HERE / "style.css").read_text())
    for name, text in {**_pages(facts), "entries.js": _entries(facts), "keys.svg": keys}.items():
        with appearing(folder / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    for name in ("style.css", "site.js"):
        shutil.copyfile(HERE / name, folder / name)
    return folder / "index.html"


def _pages(facts: Facts) -> dict[str, str]:
    return {
        "index.html": _page(facts, "Tables", _overview(facts)),
        "lineage.html": _page(facts, "Lineage", _lineage(facts)),
        "keys.html": _page(facts, "Keys", _keys(facts)),
        "jobs.html": _page(facts, "Jobs", _jobs(facts)),
        **{_address(told.name): _page(facts, told.name, _table(told, facts)) for told in facts.tables},
    }


def _page(facts: Facts, title: str, body: str) -> str:
    links = (("index", "Tables"), ("lineage", "Lineage"), ("keys", "Keys"), ("jobs", "Jobs"))
    nav = "".join(f"<a href='{page}.html'>{name}</a>" for page, name in links)
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)} · Reelmill</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><link rel='icon' href='data:,'>"
        f"<link rel='stylesheet' href='style.css'></head><body><header><strong>Reelmill</strong>{nav}"
        "<input id='search' type='search' placeholder='Search tables, columns, rules, jobs' aria-label='Search'>"
        f"</header><ul id='found'></ul><main><h1>{escape(title)}</h1>{body}"
        f"<p class='pale'>As of {_moment(facts.at)}, by the contracts and the record of runs.</p></main>"
        "<script src='entries.js'></script><script src='site.js'></script></body></html>\n"
    )


def _overview(facts: Facts) -> str:
    late = [told for told in facts.tables if told.row["is_late"]]
    state = f"{len(late)} of them are late." if late else "None is late." if facts.last else "Nothing has run yet."
    parts = [
        f"<p>{len(facts.tables)} tables. {state} Each is read in SQL by its name: <code>reelmill query</code>, or any "
        "reader of Delta tables. One row of a table is what its page says first.</p>"
    ]
    for layer, meaning in LAYERS.items():
        its = [told for told in facts.tables if told.layer == layer]
        rows = "".join(
            f"<tr><td>{_linked(told.name)}</td><td>{escape(told.contract.description)}</td><td>{_state(told)}</td></tr>"
            for told in its
        )
        if its:
            parts.append(f"<h2>{layer}</h2><p class='pale'>{meaning}</p><table class='columns'>{rows}</table>")
    return "".join(parts)


def _table(told: Told, facts: Facts) -> str:
    contract, row = told.contract, told.row
    facts_of = {
        "one row is": escape(contract.grain),
        "key": ", ".join(f"<code>{escape(name)}</code>" for name in contract.key),
        "how to ask": escape(contract.usage),
        "written by": _writer(told),
        "read by": ", ".join(_job_link(job.name) for job in told.readers) or "no job",
        "fresh": _freshness(told),
        **({"features": f"exact, and at most {escape(contract.behind)} behind"} if contract.behind else {}),
        "kept": escape(contract.retention) if told.name not in made() else "made when it is asked",
        "privacy": f"<span class='tag {contract.privacy}'>{contract.privacy}</span>",
        "in the lake": f"{row['rows']:,} rows, version {row['delta_version']}" if row["is_written"] else "not yet",
        "last check": _check(told),
        "contract": f"version {escape(contract.version)}",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts_of.items())
    graph = _graph(facts)
    below = [name for name, above in graph.items() if told.name in above]
    picture = pictures.neighbours(told.name, graph.get(told.name, ()), below, _links(facts))
    return (
        f"<p>{escape(contract.description)}</p><dl>{listed}</dl>"
        f"<h2>Columns</h2>{_columns(told)}<h2>Rules</h2>{_rules(told)}"
        + (f"<h2>Made of, and made into</h2>{picture}" if picture else "")
    )


def _columns(told: Told) -> str:
    rows = ""
    for column in told.contract.columns:
        tags = [
            *(["<span class='tag key'>key</span>"] if column.name in told.contract.key else []),
            *(["<span class='tag personal'>personal</span>"] if column.classification == "personal" else []),
            *(["<span class='tag'>never NULL</span>"] if column.required else []),
            *([f"<span class='tag'>should be at most {column.limit.at_most:g}</span>"] if column.limit else []),
        ]
        unit = f" in {escape(column.unit)}" if column.unit and column.unit != "1" else ""
        rows += (
            f"<tr id='{escape(column.name)}'><td><code>{escape(column.name)}</code></td>"
            f"<td><small>{escape(column.type)}{unit}</small></td>"
            f"<td>{escape(column.description)} {' '.join(tags)}</td></tr>"
        )
    return (
        "<table class='columns'><thead><tr><th>column</th><th>type</th><th>meaning</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _rules(told: Told) -> str:
    contract = told.contract
    required = ", ".join(column.name for column in contract.columns if column.required)
    rules = [
        ("key_is_unique", f"No two rows have the same {', '.join(contract.key)}.", ""),
        ("required_columns", f"Never NULL: {required}.", ""),
        *((rule.name, rule.description, rule.predicate) for rule in contract.row_rules),
        *((rule.name, rule.description, "") for rule in contract.job_rules),
        *((rule.name, rule.description, f"{rule.type}{dict(rule.kwargs)}") for rule in contract.table_rules),
    ]
    rows = "".join(
        f"<tr id='rule-{escape(name)}'><td><code>{escape(name)}</code></td><td>{escape(text)}</td>"
        f"<td>{f'<code>{escape(rule)}</code>' if rule else ''}</td></tr>"
        for name, text, rule in rules
    )
    return (
        "<p class='pale'>They hold for every row that is there: before a commit, a row that breaks one is set aside "
        "with its name, and a batch whose key repeats, or which breaks a rule of the whole table, is not committed; "
        f"readers keep the last good version.</p><table class='columns'>{rows}</table>"
    )


def _jobs(facts: Facts) -> str:
    parts = []
    for job in facts.jobs.values():
        status, started_at, seconds = facts.last.get(job.name, ("", None, 0.0))
        last = (
            f"<span class='tag {status}'>{status}</span> {_moment(started_at)}, {seconds:.0f} s"
            if started_at
            else "never"
        )
        listed = {
            "runs": CADENCES[job.every],
            "reads": ", ".join(map(_linked, (*job.reads, *job.recalls))) or "what arrives from outside",
            "writes": ", ".join(map(_linked, job.writes)) or "what serves, outside of the lake",
            "last run": last,
        }
        pairs = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in listed.items())
        first = job.doc.strip().partition("\n\n")[0]
        parts.append(f"<h2 id='{job.name}'>{job.name}</h2><p>{escape(first)}</p><dl>{pairs}</dl>")
    return "".join(parts)


def _lineage(facts: Facts) -> str:
    return (
        "<p>A table stands below those that it is made of; a dashed box is a job that leads out of the lake. "
        "Point at one to see what it hangs on.</p>" + pictures.lineage(_graph(facts), _links(facts))
    )


def _keys(facts: Facts) -> str:
    shown = _with_keys(facts)
    meanings = ""
    for column in sorted({column for told in shown for column in told.contract.key}):
        having = [(told, c) for told in shown for c in told.contract.columns if c.name == column]
        if len(having) > 1:
            listed = "".join(f"<li>{_linked(told.name)}: {escape(c.description)}</li>" for told, c in having)
            meanings += f"<h2 id='{escape(column)}'>{escape(column)}</h2><ul>{listed}</ul>"
    return (
        "<p>A dot: the column is a part of the table's key. A ring: the table has it. Two tables join on what both "
        "have, if it means the same in both, which is said below for each.</p>"
        + _keys_picture(facts, _links(facts))
        + meanings
    )


def _keys_picture(facts: Facts, links: Mapping[str, str]) -> str:
    shown = _with_keys(facts)
    return pictures.keys([(t.name, t.contract.key, [c.name for c in t.contract.columns]) for t in shown], links)


def _with_keys(facts: Facts) -> list[Told]:
    # What was set aside has the key of no other table.
    return [told for told in facts.tables if told.layer != "quarantine"]


def _graph(facts: Facts) -> dict[str, tuple[str, ...]]:
    """What each table, and each job that writes none, is made of."""
    graph: dict[str, tuple[str, ...]] = {}
    for job in facts.jobs.values():
        for name in job.writes or (job.name,):
            graph[name] = tuple(table for table in job.reads if table not in job.writes)
    named = {table for above in graph.values() for table in above} - graph.keys()
    return {**dict.fromkeys(sorted(named), ()), **graph}


def _links(facts: Facts) -> dict[str, str]:
    return {told.name: _address(told.name) for told in facts.tables}


def _entries(facts: Facts) -> str:
    """What the search finds: page, name and words of each table, column, rule and job."""

    def entries() -> Iterator[tuple[str, str, str]]:
        for told in facts.tables:
            page, contract = _address(told.name), told.contract
            yield page, told.name, f"{contract.description} {contract.usage}"
            for c in contract.columns:
                yield f"{page}#{c.name}", f"{told.name}.{c.name}", f"{c.description} {f'[{c.unit}]' if c.unit else ''}"
            rules: list[RowRule | JobRule | TableRule] = [*contract.row_rules, *contract.job_rules]
            rules += contract.table_rules
            for rule in rules:
                yield f"{page}#rule-{rule.name}", f"{told.name}: {rule.name}", rule.description
        for job in facts.jobs.values():
            yield f"jobs.html#{job.name}", job.name, job.doc.strip().partition("\n")[0]

    return f"const ENTRIES = {json.dumps(list(entries()), ensure_ascii=False)};\n"


def _writer(told: Told) -> str:
    job, cadence = told.row["job"], told.row["cadence"]
    if job:
        return f"{_job_link(job)}, {CADENCES[cadence]}"
    return (
        "<code>reelmill query</code>, when it is asked" if told.name in made() else "the platform itself, or a person"
    )


def _freshness(told: Told) -> str:
    if told.name in made():
        return "always of now"
    promise = f"at most {escape(told.contract.freshness)} old"
    why = f"<br>{escape(told.row['why'])}" if told.row["why"] else ""
    return f"{promise} {_state(told)}{why}"


def _state(told: Told) -> str:
    if told.row["is_late"] is None:
        return ""
    return "<span class='tag late'>late</span>" if told.row["is_late"] else "<span class='tag fresh'>in time</span>"


def _check(told: Told) -> str:
    check = told.check
    if check is None:
        return "none yet" if told.row["job"] else "it is written by no run, which would check it"
    aside = "; ".join(f"{count:,} set aside by {' and '.join(rules)}" for rules, count in check.set_aside.items())
    return (
        f"{_moment(check.at)}: {check.rows:,} rows went into version {check.version}, keys and rules held; "
        f"{escape(aside) or 'no row was set aside'}. <small>Run {escape(check.run_id)}</small>"
    )


def _linked(table: str) -> str:
    return f"<a href='{_address(table)}'><code>{escape(table)}</code></a>"


def _job_link(job: str) -> str:
    return f"<a href='jobs.html#{escape(job)}'>{escape(job)}</a>"


def _address(table: str) -> str:
    return f"{table}.html"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"

"""The pages tell of everything there is, link only to what there is, and ask nobody for anything."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from data_contracts import load, made, tables
from jobs.command.site import pages
from jobs.pipeline import JOBS
from jobs.settings import REPOSITORY, Settings
from tests.contracted import put

NOW = datetime(2026, 1, 19, 3, tzinfo=UTC)


class Page(HTMLParser):
    """The addresses and the ids of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links |= {value for name, value in attrs if name in ("href", "src") and value}
        self.ids |= {value for name, value in attrs if name == "id" and value}

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a home in which one job has run, which set a row aside."""
    settings = Settings(home=tmp_path_factory.mktemp("site") / "home")
    run = {"run_id": "r1", "job": "feeds.build", "window_start": "2026-01-18", "window_end": "2026-01-19", "seconds": 9}
    wrote = {"table": "gold.feeds", "version": 4, "rows": 50, "quarantined": 1, "bytes": 9}
    put(settings, "ops.job_runs", {**run, "started_at": "2026-01-19T02:00Z", "status": "succeeded", "writes": [wrote]})
    put(settings, "gold.feeds", {"user_id": "ann", "position": 0})
    put(settings, "quarantine.gold.feeds", {"run_id": "r1", "rules": ["position_within_feed"], "row": "{}"})
    return pages.write(JOBS, settings, settings.home / "docs", NOW).parent


def test_every_table_column_rule_and_job_is_told_and_can_be_searched(site: Path) -> None:
    searched = {
        name: page for page, name, _ in json.loads((site / "entries.js").read_text()[len("const ENTRIES = ") : -2])
    }
    for table in {*tables(), *made()} - {"quarantine.rows"}:
        page, contract = Page((site / f"{table}.html").read_text()), load(table)
        assert contract.description in page.words and contract.grain in page.words
        assert not contract.behind or f"exact, and at most {contract.behind} behind" in page.words
        for column in contract.columns:
            assert column.description in page.words and column.name in page.ids
            assert not column.limit or f"at most {column.limit.at_most:g}" in page.words
            assert searched[f"{table}.{column.name}"] == f"{table}.html#{column.name}"
        for rule in contract.row_rules:
            assert rule.description in page.words and f"rule-{rule.name}" in page.ids
    assert JOBS.keys() <= Page((site / "jobs.html").read_text()).ids & searched.keys()


def test_a_table_says_who_writes_it_whether_it_is_late_and_what_its_last_check_found(site: Path) -> None:
    words = " ".join(Page((site / "gold.feeds.html").read_text()).words.split())
    assert "feeds.build, every night" in words and "at most 1 d old in time" in words
    assert "2026-01-19 02:00 UTC: 50 rows went into version 4" in words
    assert "1 set aside by position_within_feed" in words
    assert "is late and was never made" in Page((site / "gold.models.html").read_text()).words


def test_every_link_leads_to_a_page_and_a_place_of_the_site_and_nothing_leaves_it(site: Path) -> None:
    read = {path.name: Page(path.read_text()) for path in site.glob("*.html")}
    for link in set.union(*(page.links for page in read.values())) - {"data:,"}:
        page, _, place = link.partition("#")
        assert (site / page).is_file() and (not place or place in read[page].ids), link
    for file in ("style.css", "site.js"):
        assert not re.search(r"https?:|url\(|fetch|import ", (site / file).read_text())


def test_pictures_show_all_that_is_made_of_something_and_all_shared_keys(site: Path) -> None:
    lineage = (site / "lineage.html").read_text()
    edges = set(re.findall(r"data-from='([\w.]+)' data-to='([\w.]+)'", lineage))
    made_of = {(read, name) for job in JOBS.values() for name in job.writes or (job.name,) for read in job.reads}
    assert edges == {(read, name) for read, name in made_of if read != name and read not in writes_of(name)}
    assert "<title>gold.feeds.user_id</title>" in (site / "keys.html").read_text()
    assert (site / "keys.svg").read_text() == (REPOSITORY / "docs" / "pictures" / "keys.svg").read_text(), (
        "copy keys.svg of the pages to docs/pictures"
    )


def writes_of(name: str) -> tuple[str, ...]:
    """All that the job writes which writes this."""
    return next((job.writes for job in JOBS.values() if name in job.writes), ())

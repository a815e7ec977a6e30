"""The shell answers what ends with a semicolon, completes names, and goes on after an error."""

from collections.abc import Callable, Iterator

import pytest

from jobs.command.asking import Asking
from jobs.command.shell import Typed, converse
from jobs.settings import Settings
from tests.contracted import put


def typed(*lines: str | type[BaseException]) -> Callable[[str], str]:
    """Reads these lines, and raises what is no line, as a terminal does; then it ends."""
    left: Iterator[str | type[BaseException]] = iter([*lines, EOFError])

    def read(prompt: str) -> str:
        line = next(left)
        if isinstance(line, str):
            return line
        raise line

    return read


def test_a_query_goes_over_lines_to_its_semicolon_and_an_error_does_not_end_the_shell(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    put(settings, "silver.watches", {"user_id": "ann", "watch_ms": 7}, {"user_id": "bob", "watch_ms": 8})
    lines = typed(
        *("help", "", "SELECT watch_ms", "FROM nowhere;", "SELECT dropped", KeyboardInterrupt),
        *("SELECT watch_ms -- of both", "FROM silver.watches ORDER BY 1;", "exit", "SELECT 'never';"),
    )
    converse(Asking(settings, at_most=1), Typed(), lines)
    said = capsys.readouterr()
    *_, column, value, count = said.out.splitlines()
    assert [column.strip(), value.strip(), count] == ["watch_ms", "7", "1 row, and more: LIMIT says how many"]
    assert "Tab completes" in said.out and "never" not in said.out
    assert "Table with name nowhere does not exist" in said.err


def test_tab_completes_tables_columns_and_keywords() -> None:
    ways = Typed().ways
    assert ways("gold.fee", "") == ["gold.feed_audit", "gold.feeds"]
    assert ways("quarantine.", "")[:2] == ['quarantine."bronze.events"', 'quarantine."bronze.uploads"']
    assert ways("pos", "SELECT * FROM gold.feeds WHERE pos") == ["position"]
    assert ways("f.propen", "SELECT * FROM gold.feeds f WHERE f.propen") == ["f.propensity"]
    assert ways("pos", "SELECT pos") == []
    assert ways("qual", "") == ["QUALIFY"]
    complete = Typed().complete
    assert [complete("ops.ta", 0), complete("ops.ta", 1)] == ["ops.tables", None]

"""Pictures as SVG: intervals, lines, bars and a table of shades.

Belongs here: drawing, from names and numbers. What is drawn: page.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from jobs.ranking.intervals import Interval

# All lengths in pixels.
WIDTH, ROW, LABEL, MARGIN = 920, 20, 300, 30
PLOT_HEIGHT = 320
# Colours that stay apart for most colour-blind eyes. (Okabe and Ito, "Color universal design", 2008.)
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8f98", "#5d3a9b", "#1c2530")
INK, PALE, GRID, PAPER = "#0072b2", "#a9cbe3", "#dde3ea", "#ffffff"
# Of a table of shades: what is darker has pale figures, and a column is so many letters wide.
DARK, LETTERS = 0.55, 11


def intervals(title: str, rows: Sequence[tuple[str, Interval]]) -> str:
    """A dot and its ends in each row; a line stands at 0 where that is among them."""
    ends = [end for _, row in rows for end in (row.low, row.high, row.value) if math.isfinite(end)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    scale = _Scale(low, high, LABEL, WIDTH - 90)
    drawn = _axis(low, high, scale, len(rows) * ROW)
    for number, (name, row) in enumerate(rows):
        y = number * ROW + ROW / 2
        drawn += _text(LABEL - 10, y + 4, name, "end")
        if math.isfinite(row.value):
            drawn += (
                f"<line x1='{scale(row.low):.1f}' x2='{scale(row.high):.1f}' y1='{y}' y2='{y}' stroke='{INK}' "
                f"stroke-width='2'/><circle cx='{scale(row.value):.1f}' cy='{y}' r='3.5' fill='{INK}'/>"
            )
            drawn += _text(WIDTH - 80, y + 4, f"{row.value:.4f}", "start")
    return _picture(title, drawn, len(rows) * ROW + 25)


def lines(title: str, across: str, curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """One line a name over a common axis, the names beside them in the order of their last points."""
    points = [point for curve in curves.values() for point in curve]
    right = WIDTH - LABEL
    along = _Scale(0, max(x for x, _ in points), MARGIN + 20, right)
    up = _Scale(0, max(max(y for _, y in points), 1e-9), PLOT_HEIGHT - 10, 10)
    drawn = "".join(
        f"<line x1='{along(x):.1f}' x2='{along(x):.1f}' y1='10' y2='{PLOT_HEIGHT - 10}' stroke='{GRID}'/>"
        + _text(along(x), PLOT_HEIGHT + 8, str(x), "middle")
        for x in sorted({x for x, _ in points if x == 1 or x % 10 == 0})
    )
    for value in _ticks(0, max(y for _, y in points)):
        drawn += _text(MARGIN + 12, up(value) + 4, f"{value:g}", "end")
    drawn += _text(right + 14, PLOT_HEIGHT + 8, across, "start")
    ordered = sorted(curves.items(), key=lambda item: -item[1][-1][1])
    for number, (name, curve) in enumerate(ordered):
        colour, dash = COLOURS[number % len(COLOURS)], "" if number < len(COLOURS) else " stroke-dasharray='4 3'"
        path = " ".join(f"{along(x):.1f},{up(y):.1f}" for x, y in curve)
        drawn += f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.8'{dash}/>"
        y = 18 + number * 17
        drawn += (
            f"<line x1='{right + 20}' x2='{right + 40}' y1='{y}' y2='{y}' stroke='{colour}' stroke-width='3'{dash}/>"
        )
        drawn += _text(right + 46, y + 4, f"{name} {curve[-1][1]:.4f}", "start")
    return _picture(title, drawn, max(PLOT_HEIGHT + 20, 30 + len(curves) * 17))


def bars(title: str, rows: Sequence[tuple[str, float, float]]) -> str:
    """A bar a row, of which the second number is the dark part."""
    most = max([value for _, value, _ in rows] or [0.0])
    scale = _Scale(0, max(most, 1e-9), LABEL, WIDTH - 90)
    drawn = ""
    for number, (name, value, dark) in enumerate(rows):
        y = number * ROW
        drawn += _text(LABEL - 10, y + 14, name, "end")
        for length, colour in ((value, PALE), (dark, INK)):
            drawn += f"<rect x='{LABEL}' y='{y + 3}' width='{scale(length) - LABEL:.1f}' height='14' fill='{colour}'/>"
        drawn += _text(WIDTH - 80, y + 14, f"{value:.4f}", "start")
    return _picture(title, drawn, len(rows) * ROW + 5)


def heat(title: str, names: Sequence[str], cells: Sequence[Sequence[float]]) -> str:
    """A square of shares, 0 pale to 1 dark."""
    side = min(70.0, (WIDTH - 140) / max(len(names), 1))
    drawn = ""
    for row, name in enumerate(names):
        drawn += _text(130, 40 + row * 24, name, "end") + _text(140 + (row + 0.5) * side, 14, name[:LETTERS], "middle")
        for column, value in enumerate(cells[row]):
            x, y = 140 + column * side, 24 + row * 24
            drawn += (
                f"<rect x='{x:.1f}' y='{y}' width='{side - 2:.1f}' height='22' fill='{INK}' "
                f"fill-opacity='{value:.2f}'/>"
                + _text(x + side / 2 - 1, y + 16, f"{100 * value:.0f} %", "middle", PAPER if value > DARK else "")
            )
    return _picture(title, drawn, 30 + len(names) * 24)


def _picture(title: str, drawn: str, height: float) -> str:
    return (
        f"<figure style='margin:1em 0'><figcaption><b>{escape(title)}</b></figcaption>"
        f"<svg viewBox='0 0 {WIDTH} {height:.0f}' width='{WIDTH}' role='img' aria-label='{escape(title, quote=True)}' "
        f"font-family='system-ui, sans-serif' font-size='12' fill='#1c2530'>{drawn}</svg></figure>"
    )


def _text(x: float, y: float, text: str, anchor: str, fill: str = "") -> str:
    colour = f" fill='{fill}'" if fill else ""
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'{colour}>{escape(text)}</text>"


class _Scale:
    """From numbers to pixels."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self.low, self.begin = low, begin
        self.per_unit = (end - begin) / ((high - low) or 1.0)

    def __call__(self, value: float) -> float:
        return self.begin + (value - self.low) * self.per_unit


def _axis(low: float, high: float, scale: _Scale, height: float) -> str:
    drawn = ""
    for value in _ticks(low, high):
        colour = "#5b6775" if value == 0 else GRID
        drawn += f"<line x1='{scale(value):.1f}' x2='{scale(value):.1f}' y1='0' y2='{height}' stroke='{colour}'/>"
        drawn += _text(scale(value), height + 14, f"{value:g}", "middle")
    return drawn


def _ticks(low: float, high: float) -> list[float]:
    """Some five round numbers between two."""
    span = (high - low) or 1.0
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 5)
    return [round(n * step, 12) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]

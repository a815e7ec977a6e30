"""Pictures as inline SVG: which table is made of which, and which tables share a key.

Belongs here: drawing, from names. Colours come from style.css, so that a picture is light or dark as its page is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

# All lengths in pixels.
BOX_WIDTH, BOX_HEIGHT, GAP, FALL = 158, 34, 14, 58
MARGIN, CELL, NAMES, HEADS = 8, 30, 190, 128

# So many boxes beside each other fit a page; more go on below.
WIDEST = 6

# What each thing is made of, and in which order things are drawn.
Graph = Mapping[str, Sequence[str]]


def lineage(made_of: Graph, links: Mapping[str, str]) -> str:
    """Every table below those that it is made of. What has no page in `links` is a job that leads out of the lake."""
    rows = [row[start : start + WIDEST] for row in _rows(made_of) for start in range(0, len(row), WIDEST)]
    width = max(map(len, rows)) * (BOX_WIDTH + GAP) - GAP + 2 * MARGIN
    height = len(rows) * (BOX_HEIGHT + FALL) - FALL + 2 * MARGIN
    places: dict[str, tuple[float, float]] = {}
    for depth, row in enumerate(rows):
        left = (width - len(row) * (BOX_WIDTH + GAP) + GAP) / 2
        for number, name in enumerate(row):
            places[name] = left + number * (BOX_WIDTH + GAP), MARGIN + depth * (BOX_HEIGHT + FALL)
    drawn = "".join(
        _edge(other, name, places[other], places[name]) for name, others in made_of.items() for other in others
    )
    drawn += "".join(_box(name, *places[name], links.get(name)) for name in made_of)
    return _picture("lineage", "Which table is made of which", drawn, width, height)


def neighbours(name: str, above: Sequence[str], below: Sequence[str], links: Mapping[str, str]) -> str:
    """One table between those that it is made of and what is made of it."""
    graph: Graph = {**dict.fromkeys(above, ()), name: tuple(above), **dict.fromkeys(below, (name,))}
    return lineage(graph, links) if above or below else ""


def keys(tables: Sequence[tuple[str, Iterable[str], Iterable[str]]], links: Mapping[str, str]) -> str:
    """A row a table, a column an id that several tables have: a dot where it is a part of the key, else a ring.

    `tables` are names, keys and columns. Two tables join on what both have.
    """
    in_a_key = dict.fromkeys(column for _, key, _ in tables for column in key)
    having = {column: sum(column in set(columns) for _, _, columns in tables) for column in in_a_key}
    shared = sorted((column for column in in_a_key if having[column] > 1), key=lambda c: (-having[c], c))
    drawn = "".join(
        f"<text class='head' transform='translate({NAMES + number * CELL + CELL / 2 + 4},{HEADS - 8}) rotate(-60)'>"
        f"{escape(column)}</text>"
        for number, column in enumerate(shared)
    )
    rows = [(name, set(key), set(columns)) for name, key, columns in tables if set(columns) & set(shared)]
    for down, (name, key, columns) in enumerate(rows):
        y = HEADS + down * CELL + CELL / 2
        drawn += (
            f"<line class='rule' x1='0' x2='{NAMES + len(shared) * CELL}' y1='{y + CELL / 2}' y2='{y + CELL / 2}'/>"
        )
        drawn += _link(links.get(name), f"<text x='4' y='{y + 4}'>{escape(name)}</text>")
        for across, column in enumerate(shared):
            if column in columns:
                kind = "key" if column in key else "other"
                where = f"cx='{NAMES + across * CELL + CELL / 2}' cy='{y}'"
                drawn += f"<circle class='{kind}' {where} r='6'><title>{escape(f'{name}.{column}')}</title></circle>"
    # The heads lean to the right.
    width = NAMES + len(shared) * CELL + HEADS * 0.6
    return _picture("keys", "Which tables have which ids", drawn, width, HEADS + len(rows) * CELL)


def alone(picture: str, style: str) -> str:
    """A picture as a file of its own, with the style sheet in it and paper below it."""
    svg = picture.removeprefix("<div class='wide'>").removesuffix("</div>")
    head, _, drawn = svg.partition(">")
    paper = "<rect width='100%' height='100%' style='fill: var(--paper)'/>"
    return f"{head} xmlns='http://www.w3.org/2000/svg'><style>{style}</style>{paper}{drawn}\n"


def _rows(made_of: Graph) -> list[list[str]]:
    """The names by how far they are from what nothing is made of; each row in the order of what is above it."""
    depth: dict[str, int] = {}

    def below(name: str) -> int:
        if name not in depth:
            depth[name] = 0
            depth[name] = 1 + max((below(other) for other in made_of[name]), default=-1)
        return depth[name]

    rows: list[list[str]] = [[] for _ in range(1 + max(map(below, made_of)))]
    for name in made_of:
        rows[depth[name]].append(name)
    places: dict[str, float] = {}
    for row in rows:
        centre = {name: _mean([places[o] for o in made_of[name] if o in places]) for name in row}
        row.sort(key=lambda name: (centre[name], name))
        places |= {name: (number + 0.5) / len(row) for number, name in enumerate(row)}
    return rows


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.5


def _edge(above: str, below: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + BOX_WIDTH / 2, start[1] + BOX_HEIGHT
    x2, y2 = end[0] + BOX_WIDTH / 2, end[1]
    bend = FALL * 0.7
    return (
        f"<path class='edge' data-from='{escape(above)}' data-to='{escape(below)}' "
        f"d='M{x1:.0f},{y1:.0f} C{x1:.0f},{y1 + bend:.0f} {x2:.0f},{y2 - bend:.0f} {x2:.0f},{y2:.0f}'/>"
    )


def _box(name: str, x: float, y: float, link: str | None) -> str:
    kind = name.partition(".")[0] if link else "outside"
    return _link(
        link,
        f"<g class='box {kind}' data-name='{escape(name)}'>"
        f"<rect x='{x:.0f}' y='{y:.0f}' width='{BOX_WIDTH}' height='{BOX_HEIGHT}' rx='6'/>"
        f"<text x='{x + BOX_WIDTH / 2:.0f}' y='{y + BOX_HEIGHT / 2 + 4:.0f}' text-anchor='middle'>{escape(name)}</text>"
        "</g>",
    )


def _link(link: str | None, drawn: str) -> str:
    return f"<a href='{escape(link)}'>{drawn}</a>" if link else drawn


def _picture(kind: str, title: str, drawn: str, width: float, height: float) -> str:
    size = f"width='{width:.0f}' height='{height:.0f}' viewBox='0 0 {width:.0f} {height:.0f}'"
    return f"<div class='wide'><svg class='{kind}' {size} role='img' aria-label='{escape(title)}'>{drawn}</svg></div>"

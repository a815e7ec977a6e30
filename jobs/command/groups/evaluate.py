"""`reelmill evaluate`: how good the recommender is on files of one's own, or on the lake.

Belongs here: arguments and help. The protocol: jobs/evaluation/protocol.py. What is printed: console.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.command.options import examples

if TYPE_CHECKING:
    from jobs.evaluation.data import Files
    from jobs.evaluation.protocol import Evaluation
    from jobs.evaluation.published.published import Published

# What stands for the lake where a file could be named: the table that is read.
LAKE = Path("gold.explorations")
FILE = click.Path(path_type=Path, dir_okay=False)
# The lengths of lists that most tables have.
KS = (10, 20)


class Places(click.ParamType[tuple[int, ...]]):
    """Lengths of lists, such as 10,20."""

    name = "K,K..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        from jobs.evaluation.baselines import LONGEST

        if isinstance(value, tuple):
            return value
        try:
            places = tuple(sorted({int(part) for part in value.split(",")}))
        except ValueError:
            self.fail(f"{value!r} is not a list of lengths; write it as 10,20", param, ctx)
        if places[0] < 1 or places[-1] > LONGEST:
            self.fail(f"{value!r}: a list has 1 to {LONGEST} places", param, ctx)
        return places


class Protocol(click.ParamType[str]):
    """The name of a published protocol."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from jobs.evaluation.published.registry import PUBLISHED

        if value not in PUBLISHED:
            self.fail(f"{value!r} is not a protocol; there are {', '.join(PUBLISHED)}", param, ctx)
        return str(value)


@click.command(
    epilog=examples(
        "reelmill evaluate --train train.csv --valid valid.csv --test test.csv",
        "reelmill evaluate --train train.csv --test test.csv --k 10,20 --json found.json --page found.html",
        "reelmill evaluate --train t.parquet --valid v.parquet --test s.parquet --item-features frames.npy",
        "reelmill evaluate --train t.csv.gz --test s.csv.gz --candidates shown.csv",
        "reelmill evaluate --temporal --page found.html",
        "reelmill evaluate --protocol yambda likes.parquet",
        "reelmill evaluate --counterfactual log.csv --json found.json",
        "reelmill evaluate --counterfactual",
        "reelmill evaluate --counterfactual --model fusion_order --model 20260118-0123456789ab",
    )
)
@click.option("--train", type=FILE, help="Pairs that viewers had watched before.")
@click.option("--valid", type=FILE, help="Pairs that choose what serves, and then teach the ranker too.")
@click.option("--test", type=FILE, help="Pairs to judge by; opened when every list is finished.")
@click.option("--item-features", type=FILE, multiple=True, help="Rows of numbers, one a video (.npy); may be repeated.")
@click.option("--item-ids", type=FILE, help="The video_id of each row. Default: row 0 is the video 0, and so on.")
@click.option("--candidates", type=FILE, help="The only videos (video_id) that any list may hold.")
@click.option("--temporal", is_flag=True, help="Instead of files: the watches of the lake, cut in time.")
@click.option("--test-days", type=click.IntRange(1), help="Of --temporal. Default: the newest that have a tenth.")
@click.option("--protocol", type=Protocol(), help="Instead: the files of a public data set, cut as published.")
@click.option(
    "--tower", is_flag=True, help="A learned tower too (the extra deep), and what it adds. Takes minutes more."
)
@click.option(
    "--counterfactual",
    type=FILE,
    is_flag=False,
    flag_value=str(LAKE),
    help="Instead: a log of what was shown by chance, and what it earned. Without a file: what the lake has of it.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="With --counterfactual and the lake: a model or plain order to judge; may be repeated. Default: all orders.",
)
@click.option("--k", "ks", type=Places(), help="Lengths of lists to judge. Default: 10,20, or those of --protocol.")
@click.option("--seed", default=1, show_default=True, help="Of the bootstrap.")
@click.option("--json", "json_path", type=FILE, help="Write all figures there.")
@click.option("--page", type=FILE, help="Write a page with pictures there; it needs no network.")
@click.argument("more", nargs=-1, type=FILE, metavar="[FILE...]")
def evaluate(
    train: Path | None,
    valid: Path | None,
    test: Path | None,
    item_features: tuple[Path, ...],
    item_ids: Path | None,
    candidates: Path | None,
    temporal: bool,
    test_days: int | None,
    protocol: str | None,
    tower: bool,
    counterfactual: Path | None,
    models: tuple[str, ...],
    ks: tuple[int, ...] | None,
    seed: int,
    json_path: Path | None,
    page: Path | None,
    more: tuple[Path, ...],
) -> None:
    """Judge the recommender on plain files or the lake, by the sources and the ranker of the night.

    A file of pairs is CSV or Parquet (or .gz of it) with the columns user_id and video_id, and perhaps timestamp
    (seconds, milli- or microseconds, or a date) and rating. Every row is a positive, whatever its rating: a rating
    only weighs a training pair, by its share of the best one. All videos of the catalogue are ranked for every viewer
    but those of their own training pairs.

    \b
    Two results are printed:
      train        Sources and ranker learn from the training file. Of each viewer's pairs, a fifth (the newest, or a
                   draw where --valid is one) are the ranker's labels; --valid only chooses what serves.
      train+valid  The pairs of --valid are labels too, and afterwards history that the sources learn too.
                   Each viewer is ranked by trees of other viewers.

    \b
    In both, the ranker, each source alone and two plain blends compete for nDCG@20 on --valid, and the best serves as
    `reelmill`. Without --valid, the labels choose. All metrics have intervals of 95 % over viewers (bootstrap).

    --temporal makes these files of the lake's watches: the newest days that have a tenth of all watches are the test,
    as many before them the validation, all before these the training.

    --protocol cuts the files of a public data set as its authors do and says by which rules:
    `--protocol yambda likes.parquet`, or `--protocol vk-lsvd week_*.parquet` with all its weeks.

    --counterfactual judges a policy by slots that another one filled by chance, from one file with the columns action,
    reward, propensity (the chance by which the action was shown) and target_probability (that of the policy in
    question), and perhaps context and user_id: IPS, SNIPS and a doubly robust estimate, with intervals of 95 %. Without
    a file it judges models and plain orders by the slots of the feeds that chance has filled (gold.explorations).

    --tower lets a two-tower network learn beside the sources, and `train without tower` says what that adds. It needs
    the extra: pip install 'reelmill[deep]', or `make deep` in a checkout.

    docs/evaluation.md says more, and how not to fool oneself.
    """
    from jobs.command import evaluations
    from jobs.evaluation import page as pages
    from jobs.evaluation import report
    from jobs.evaluation.data import Files
    from jobs.evaluation.published.registry import PUBLISHED

    named = bool(train or valid or test or item_features or item_ids or candidates)
    if counterfactual:
        if named or more or protocol or temporal or page or tower:
            raise click.UsageError("--counterfactual reads one log, or the lake; only --json and --model go with it.")
        if counterfactual == LAKE:
            return judge_drawn(models, json_path)
        if models:
            raise click.UsageError("A log says itself what it judges; --model needs --counterfactual without a file.")
        return judge_log(counterfactual, json_path)
    if models:
        raise click.UsageError("--model goes with --counterfactual.")
    if test_days and not temporal:
        raise click.UsageError("--test-days goes with --temporal.")
    if protocol:
        if named or temporal:
            raise click.UsageError("--protocol cuts the files that are named behind it; no other file goes with it.")
        ks = ks or PUBLISHED[protocol].ks
        found = judge_published(PUBLISHED[protocol], more, ks, seed, tower)
    elif temporal:
        if named or more:
            raise click.UsageError("--temporal reads the lake, so that no file goes with it.")
        ks = ks or KS
        found = judge_lake(test_days, ks, seed, tower)
    else:
        ks = ks or KS
        if train is None or test is None:
            raise click.UsageError("--train and --test are needed, or --temporal, --protocol or --counterfactual.")
        strays = [path for path in more if not item_features or path.suffix != ".npy"]
        if strays:
            raise click.UsageError(f"{strays[0]} belongs to no option; only --item-features takes more than one file.")
        files = Files(train, valid, (*item_features, *more), item_ids, candidates)
        found = judge_files(files, test, ks, seed, tower)
    evaluations.show(found, ks)
    if json_path:
        report.write(found, json_path)
    if page:
        pages.write(found, ks, page)


def judge_files(
    files: Files, test: Path, ks: tuple[int, ...], seed: int, tower: bool, origin: tuple[str, ...] = ()
) -> Evaluation:
    """Evaluate on files, with progress."""
    from jobs.command import console
    from jobs.evaluation.protocol import evaluate as run

    with console.steps() as tell:
        return run(replace(files, tower=tower), test, ks, seed, tell, origin)


def judge_published(
    protocol: Published, paths: Sequence[Path], ks: tuple[int, ...], seed: int, tower: bool
) -> Evaluation:
    """Evaluate on files that are cut as published, and whose parts go when that is done."""
    from tempfile import TemporaryDirectory

    from jobs.command import console
    from jobs.host import scratch
    from jobs.settings import Settings

    place = scratch.folder(Settings())
    with TemporaryDirectory(dir=place) as folder:
        with console.status(f"cutting the files as {protocol.name} does"):
            parts = protocol.cut(paths, Path(folder))
        return judge_files(parts.files, parts.test, ks, seed, tower, protocol.rules)


def judge_lake(test_days: int | None, ks: tuple[int, ...], seed: int, tower: bool) -> Evaluation:
    """Evaluate on files that are made of the lake and go when that is done."""
    from tempfile import TemporaryDirectory

    from jobs.command import console
    from jobs.engine.lake import Lake
    from jobs.engine.spark import session
    from jobs.evaluation import temporal
    from jobs.settings import Settings

    settings = Settings()
    with console.status("starting Spark"):
        lake = Lake(session(settings), settings)
    with TemporaryDirectory() as folder:
        with console.status("cutting the watches of the lake"):
            taken = temporal.take(lake, Path(folder), test_days)
        return judge_files(taken.files, taken.test, ks, seed, tower, taken.origin)


def judge_log(path: Path, json_path: Path | None) -> None:
    """Print what the policy in question would have earned, and perhaps write it."""
    from jobs.command import evaluations
    from jobs.evaluation import report
    from jobs.evaluation.counterfactual import estimate
    from jobs.evaluation.logged import read_log

    found = estimate(read_log(path))
    evaluations.counterfactual(found)
    if json_path:
        report.write_json(report.of_estimates(found), json_path)


def judge_drawn(names: tuple[str, ...], json_path: Path | None) -> None:
    """Print what these models and orders, or all plain orders, would have earned, and perhaps write it."""
    from jobs.command import console, evaluations
    from jobs.engine.lake import Lake
    from jobs.engine.spark import session
    from jobs.evaluation import report
    from jobs.evaluation.explored import judge
    from jobs.ranking.orders import plain_orders
    from jobs.settings import Settings

    settings = Settings()
    with console.status("starting Spark"):
        lake = Lake(session(settings), settings)
    with console.steps() as tell:
        found = judge(lake, names or [order.version for order in plain_orders()], tell)
    evaluations.beside(found)
    if json_path:
        report.write_json(report.of_systems(found), json_path)

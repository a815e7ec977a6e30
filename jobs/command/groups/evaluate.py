"""`reelmill evaluate`: how good the recommender is on files of one's own.

Belongs here: arguments and help. The protocol: jobs/evaluation/protocol.py. What is printed: console.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jobs.command.options import examples

FILE = click.Path(path_type=Path, dir_okay=False)


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


@click.command(
    epilog=examples(
        "reelmill evaluate --train train.csv --valid valid.csv --test test.csv",
        "reelmill evaluate --train train.csv --test test.csv --k 10,20 --json found.json --page found.html",
        "reelmill evaluate --train t.parquet --valid v.parquet --test s.parquet --item-features frames.npy",
        "reelmill evaluate --train t.csv.gz --test s.csv.gz --candidates shown.csv",
        "reelmill evaluate --counterfactual log.csv --json found.json",
    )
)
@click.option("--train", type=FILE, help="Pairs that viewers had watched before.")
@click.option("--valid", type=FILE, help="Pairs that choose what serves, and then teach the ranker too.")
@click.option("--test", type=FILE, help="Pairs to judge by; opened when every list is finished.")
@click.option("--item-features", type=FILE, multiple=True, help="Rows of numbers, one a video (.npy); may be repeated.")
@click.option("--item-ids", type=FILE, help="The video_id of each row. Default: row 0 is the video 0, and so on.")
@click.option("--candidates", type=FILE, help="The only videos (video_id) that any list may hold.")
@click.option("--counterfactual", type=FILE, help="Instead: a log of what was shown by chance, and what it earned.")
@click.option("--k", "ks", type=Places(), default="10,20", show_default=True, help="Lengths of lists to judge.")
@click.option("--seed", default=1, show_default=True, help="Of the bootstrap.")
@click.option("--json", "json_path", type=FILE, help="Write all figures there.")
@click.option("--page", type=FILE, help="Write a page with pictures there; it needs no network.")
@click.argument("more", nargs=-1, type=FILE, metavar="[F.npy...]")
def evaluate(
    train: Path | None,
    valid: Path | None,
    test: Path | None,
    item_features: tuple[Path, ...],
    item_ids: Path | None,
    candidates: Path | None,
    counterfactual: Path | None,
    ks: tuple[int, ...],
    seed: int,
    json_path: Path | None,
    page: Path | None,
    more: tuple[Path, ...],
) -> None:
    """Judge the recommender on plain files, by the sources and the ranker of the night.

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

    --counterfactual judges a policy by slots that another one filled by chance, from one file with the columns action,
    reward, propensity (the chance by which the action was shown) and target_probability (that of the policy in
    question), and perhaps context and user_id: IPS, SNIPS and a doubly robust estimate, with intervals of 95 %.

    docs/evaluation.md says more, and how not to fool oneself.
    """
    if counterfactual:
        if train or valid or test or item_features or item_ids or candidates or page or more:
            raise click.UsageError("--counterfactual reads one log; only --json goes with it.")
        return judge_log(counterfactual, json_path)
    if train is None or test is None:
        raise click.UsageError("--train and --test are needed, or --counterfactual.")
    from jobs.command import console
    from jobs.evaluation import page as pages
    from jobs.evaluation import report
    from jobs.evaluation.data import Files
    from jobs.evaluation.protocol import evaluate as run

    strays = [path for path in more if not item_features or path.suffix != ".npy"]
    if strays:
        raise click.UsageError(f"{strays[0]} belongs to no option; only --item-features takes more than one file.")
    files = Files(train, valid, (*item_features, *more), item_ids, candidates)
    with console.steps() as tell:
        found = run(files, test, ks, seed, tell)
    console.evaluation(found, ks)
    if json_path:
        report.write(found, json_path)
    if page:
        pages.write(found, ks, page)


def judge_log(path: Path, json_path: Path | None) -> None:
    """Print what the policy in question would have earned, and perhaps write it."""
    from jobs.command import console
    from jobs.evaluation import report
    from jobs.evaluation.counterfactual import estimate
    from jobs.evaluation.logged import read_log

    found = estimate(read_log(path))
    console.counterfactual(found)
    if json_path:
        report.write_json(report.of_estimates(found), json_path)

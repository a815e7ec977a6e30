"""Commands that make this machine ready, and that start something on it: setup, doctor, settings, demo, serve.

Belongs here: what takes no table. Airflow and Dagster: orchestrators.py.
"""

from __future__ import annotations

import sys

import click

from jobs.command.options import as_json, examples


@click.command(epilog=examples("reelmill setup"))
def setup() -> None:
    """Get what packages cannot bring: Java, native libraries, Spark's jars, hls.js. `make setup` runs it."""
    from jobs.command import console
    from jobs.engine.spark import jars_are_current, resolve_jars
    from jobs.host import needs, npm
    from jobs.settings import Settings

    settings = Settings()
    if lacking := needs.missing():
        needs.install(lacking)
    if not jars_are_current(settings):
        with console.status("resolving Spark's jars from Maven Central, once"):
            resolve_jars(settings)
    if not npm.is_there(npm.HLS, npm.PLAYER):
        with console.status("fetching hls.js for the web player from the npm registry, once"):
            npm.fetch(npm.HLS, npm.PLAYER)


@click.command(epilog=examples("reelmill doctor", "reelmill doctor --json"))
@as_json
def doctor(as_json: bool) -> None:
    """Say what was found on this machine, what is missing, and how to get it. Exits with 1 when something is."""
    from jobs.command import console
    from jobs.command.doctor import examine
    from jobs.settings import Settings

    findings = examine(Settings())
    console.findings(findings, as_json)
    sys.exit(0 if all(f.found for f in findings) else 1)


class _ListingSettings(click.Command):
    """A command whose help ends with every setting; what lists them is loaded only for that."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from jobs.command.variables import variables

        super().format_epilog(ctx, formatter)
        with formatter.section("Settings"):
            formatter.write_dl([(v.name, f"{v.meaning} [default: {v.default}]") for v in variables()])


@click.command(
    cls=_ListingSettings,
    epilog=examples("reelmill settings", "REELMILL_HOME=/data reelmill settings --json", "reelmill settings --help"),
)
@click.option("--markdown", is_flag=True, help="Print docs/settings.md instead, which shows no values.")
@as_json
def settings(markdown: bool, as_json: bool) -> None:
    """Show every setting: its environment variable, what it is now, and what it means."""
    from jobs.command import console, variables
    from jobs.settings import Settings

    if markdown:
        click.echo(variables.page(), nl=False)
        return
    console.settings(variables.variables(Settings()), variables.unknown(), as_json)


@click.command(epilog=examples("reelmill demo", "REELMILL_HOME=/tmp/demo reelmill demo"))
def demo() -> None:
    """Make a small world, run the nightly pipeline on it, and fetch a feed over HTTP."""
    from jobs.command.demo import run_demo
    from jobs.settings import Settings

    run_demo(Settings())


@click.command(
    epilog=examples("reelmill serve", "reelmill serve --port 9000", "curl localhost:8000/v1/feed/viewer-0000?limit=5")
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
def serve(host: str, port: int) -> None:
    """Serve feeds, videos and the event endpoint over HTTP; /docs describes it."""
    from jobs.command.endpoint import serve as run_endpoint
    from jobs.settings import Settings

    run_endpoint(Settings(), host, port)

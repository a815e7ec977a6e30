"""A Kafka broker of this home in the foreground: `make kafka` runs this module.

Belongs here: what is printed, and for how long it runs. The broker itself: jobs/host/kafka_process.py.
"""

from __future__ import annotations

import sys

import click

from jobs.command.console import say
from jobs.errors import ReelmillError
from jobs.host import kafka_process
from jobs.host.signals import unwinding
from jobs.settings import Settings

# Kafka's own.
PORT = 9092


@click.command()
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="Its port on 127.0.0.1.")
@click.option("--only-jars", is_flag=True, help="Fetch what it takes, and start nothing.")
def main(port: int, only_jars: bool) -> None:
    """Run a Kafka broker for this home until Ctrl-C. Example: python -m jobs.command.broker --port 9092"""
    settings = Settings()
    folder = settings.home / "kafka"
    jars = kafka_process.resolve_jars(settings)
    if only_jars:
        return
    try:
        with unwinding(), kafka_process.broker(folder, jars, port) as process:
            say(f"Kafka is at 127.0.0.1:{port}, with its data in {folder}. For the endpoint and the jobs, set")
            say(f"  REELMILL_EVENTS=kafka://127.0.0.1:{port}/events")
            say("Ctrl-C stops it.")
            code = process.wait()
            raise kafka_process.BrokerStuck(f"Kafka ended by itself with code {code}; see {folder / 'kafka.log'}")
    except KeyboardInterrupt:
        say("Stopped.")


if __name__ == "__main__":
    try:
        main()
    except ReelmillError as error:
        sys.exit(str(error))

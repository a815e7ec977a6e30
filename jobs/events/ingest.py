"""Takes events in, each exactly once, and keeps every line that is not an event, with the reason.

Belongs here: emptying the spool, and reading the topic where there is one; telling an event from a broken line,
dropping repeated deliveries, setting aside a second event that was given the key of another. Whether an event's values
are plausible is said by the contract of bronze.events and checked by the lake. What the events mean: watches.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from operator import and_, or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

import data_contracts
from jobs.arrivals import kafka
from jobs.arrivals.lines import REFUSED, is_one_object, kept
from jobs.engine.bounds import overlapping
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.stream import each_batch, new_lines
from jobs.engine.window import Window
from jobs.settings import Settings
from serving.spool_upkeep import archive, forget, recover, visible
from serving.topic import Topic

TABLE = "bronze.events"
# A lake that was restored from a backup of the last week can be filled again from what was taken in since.
ARCHIVED_FOR = timedelta(days=7)
# A fault of a client is often looked for weeks after it began.
REJECTED_FOR = timedelta(days=90)
# A time without a zone, or a bare number, is a guess.
INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$"
# So many hashes of keys go to every task, 8 bytes each and about as much again; more are exchanged.
MOST_REPEATS_SENT = 500_000
# Without the column for what cannot be parsed, a line that is too deep for this parser would have no field at all.
STRICT_JSON = {
    "allowSingleQuotes": "false",
    "allowNonNumericNumbers": "false",
    "columnNameOfCorruptRecord": "_bad",
}


def parse(lines: DataFrame) -> DataFrame:
    """Lines (line, file, modified_at) to the columns of bronze.events, `line`, `file` and `reason`.

    `reason` says why the line is not an event, and is NULL for an event. `received_at` is the event's own; without one,
    the time at which its file was last modified, but never before the event. A line holds exactly one JSON object: what
    two torn writes leave behind on one line is not an event. A line may say itself why it is none (`refused`): so an
    importer hands over the rows of a file that it cannot use, to be kept with all the others.
    """
    columns = data_contracts.load(TABLE).columns
    fields = ", ".join(f"{name}: string" for name in (*(c.name for c in columns), REFUSED))
    read = lines.withColumn("_read", F.from_json("line", f"struct<{fields}, _bad: string>", STRICT_JSON))
    is_read = is_one_object("line") & F.col("_read._bad").isNull()
    raw = read.withColumn("_raw", F.when(is_read, F.col("_read"))).drop("_read")
    typed = raw.select(
        "line",
        "file",
        "modified_at",
        "_raw",
        *[_typed(F.col(f"_raw.{c.name}"), c.type).alias(c.name) for c in columns],
    )
    wrong = [
        F.when(
            F.col(f"_raw.{c.name}").isNotNull() & F.col(c.name).isNull(),
            F.format_string(f"{c.name} is no {c.type}: %s", F.substring(f"_raw.{c.name}", 1, 80)),
        )
        for c in columns
        if c.type != "string"
    ]
    # received_at may be filled in below; the other columns that every event needs may not.
    missing = [
        F.when(F.col(c.name).isNull(), F.lit(f"{c.name} is missing"))
        for c in columns
        if c.required and c.name != "received_at"
    ]
    unread = F.when(F.col("_raw").isNull(), F.lit("the line is not one JSON object"))
    reason = F.coalesce(unread, F.col(f"_raw.{REFUSED}"), *wrong, *missing)
    received_at = F.coalesce("received_at", F.greatest("modified_at", "event_at"))
    return typed.withColumn("reason", reason).withColumn("received_at", received_at).drop("_raw", "modified_at")


def plausible() -> Column:
    """Whether a row keeps all row rules of the contract."""
    rules = [F.expr(f"coalesce({rule.predicate}, true)") for rule in data_contracts.load(TABLE).row_rules]
    return reduce(and_, rules)


def once(events: DataFrame) -> DataFrame:
    """One row for each key: the one received first, and among those a fixed one."""
    contract = data_contracts.load(TABLE)
    columns = [c.name for c in contract.columns]
    order = ["received_at", *(c for c in columns if c != "received_at")]
    first = events.groupBy(*contract.key).agg(F.min(F.struct(*order)).alias("first"))
    return first.select(*[F.col(f"first.{c}").alias(c) for c in columns])


def contradicting(events: DataFrame, kept: DataFrame) -> DataFrame:
    """The events whose key is kept with other content, each as it was first received: a retry is no other content."""
    contract = data_contracts.load(TABLE)
    key, columns = list(contract.key), [c.name for c in contract.columns]
    content = [name for name in columns if name not in (*key, "received_at")]
    # First the few rows of these keys: else all that was ever kept would be shuffled with all its columns.
    near = kept.join(events.select(*key).distinct(), on=key, how="left_semi")
    same_key = [F.col(f"e.{name}") == F.col(f"k.{name}") for name in key]
    differs = reduce(or_, [~F.col(f"e.{name}").eqNullSafe(F.col(f"k.{name}")) for name in content])
    found = events.alias("e").join(near.alias("k"), on=[*same_key, differs], how="left_semi")
    return found.groupBy(*key, *content).agg(F.min("received_at").alias("received_at")).select(*columns)


def take_in(lake: Lake, lines: DataFrame) -> None:
    """One batch of lines into bronze.events and its quarantine; the same batch again changes neither."""
    contract = data_contracts.load(TABLE)
    parsed = parse(lines.where(F.trim("line") != ""))
    # What has become an event needs its line no more, which is most of what would be kept in memory.
    line = F.when(F.col("reason").isNotNull(), F.col("line")).alias("line")
    marked = parsed.select(
        line,
        "file",
        "reason",
        (F.col("reason").isNull() & plausible()).alias("is_good"),
        F.xxhash64(*contract.key).alias("of_key"),
        *[c.name for c in contract.columns],
    ).persist()
    try:
        found = marked.agg(
            F.count_if(F.col("reason").isNotNull()).alias("broken"),
            F.count_if("is_good").alias("good"),
            F.count_distinct(F.when(F.col("is_good"), F.col("of_key"))).alias("keys"),
        ).first()
        assert found is not None
        if found["broken"]:
            broken = marked.where(F.col("reason").isNotNull()).select("file", "line", "reason")
            lake.quarantine(TABLE, kept(broken), "line_is_an_event")
        good = marked.where("is_good")
        # An event that breaks a rule must not keep a good one of its key out: the lake sets it aside by its rule.
        implausible = marked.where("reason IS NULL AND NOT is_good")
        repeats = found["good"] - found["keys"]
        insert(lake, good, implausible, found["good"], _repeated(good, repeats) if repeats else None)
    finally:
        marked.unpersist()


def insert(lake: Lake, good: DataFrame, implausible: DataFrame, count: int, repeated: DataFrame | None) -> None:
    """Insert each of `count` good events once, and set aside those whose key has other content.

    `repeated`: the hashes, `of_key`, of the keys that may come more than once; None where each comes once.
    """
    columns = [c.name for c in data_contracts.load(TABLE).columns]
    # Most come once, and need not be put in order to find the first.
    single, several, keys = good, good.limit(0), count
    if repeated is not None:
        single = good.join(repeated, on="of_key", how="left_anti")
        several = good.join(repeated, on="of_key", how="left_semi").persist()
    first = once(several)
    try:
        if repeated is not None:
            keys += first.count() - several.count()
        before = lake.version(TABLE)
        batch = reduce(DataFrame.unionByName, (part.select(*columns) for part in (single, first, implausible)))
        commit = lake.insert_new(TABLE, batch)
        inserted = commit.rows if commit and commit.version > before else 0
        # Where every key was new, none was there before, and the table need not be read once more.
        if inserted < keys:
            contradictions = contradicting(good.select(*columns), _around(lake, good))
        elif repeated is not None:
            contradictions = contradicting(several.select(*columns), first)
        else:
            return
        if not contradictions.isEmpty():
            lake.quarantine(TABLE, contradictions, "same_key_same_content", apart_from="received_at")
    finally:
        several.unpersist()


def _repeated(good: DataFrame, repeats: int) -> DataFrame:
    """The hashes of keys that come more than once."""
    hashes = good.groupBy("of_key").count().where("count > 1").select("of_key")
    return F.broadcast(hashes) if repeats <= MOST_REPEATS_SENT else hashes


def _around(lake: Lake, events: DataFrame) -> DataFrame:
    """The rows of the table that may have a key of these events."""
    return lake.read(TABLE).alias("t").where(" AND ".join(overlapping(data_contracts.load(TABLE), events)))


def arrived(settings: Settings, since: datetime) -> bool:
    """Whether files wait in the spool, those of endpoints that died included, or messages in the topic.

    Files that were taken in are moved away; a checkpoint says which messages were. Raises kafka.BrokerUnreachable.
    """
    if settings.spool.exists():
        recover(settings.spool)
        if visible(settings.spool):
            return True
    if settings.topic is None or (found := kafka.look(settings.topic)) is None:
        return False
    return kafka.has_more(found, settings.checkpoints / kafka.checkpoint(run.name, settings.topic, found))


@job(every="5min", reads=[TABLE], writes=[TABLE], arrived=arrived)
def run(lake: Lake, window: Window) -> None:
    # Files in any case: what was there before there was a topic, and what imports hand over.
    empty_spool(lake)
    if lake.settings.topic is not None:
        read_topic(lake, lake.settings.topic)


def empty_spool(lake: Lake) -> None:
    """Take in the files that wait, and move them away."""
    folder = lake.settings.spool
    if not folder.exists():
        return
    # What an endpoint acknowledged before it died belongs to this run, not to the next start of an endpoint.
    recover(folder)
    # Looked up before the stream begins: what comes later may be left for the next run.
    waiting = visible(folder)
    lines = new_lines(lake.spark, folder)
    if lines is not None:
        each_batch(lake, run.name, run.writes, lines, partial(take_in, lake))
    today = datetime.now(UTC).date()
    archive(folder, waiting, today)
    forget(folder, archived_before=today - ARCHIVED_FOR, rejected_before=today - REJECTED_FOR)


def read_topic(lake: Lake, topic: Topic) -> None:
    """Take in the messages that came since the last batch. Raises kafka.BrokerUnreachable and kafka.MessagesGone."""
    found = kafka.look(topic)
    if found is None:
        return
    checkpoint = kafka.checkpoint(run.name, topic, found)
    kafka.check(topic, found, lake.settings.checkpoints / checkpoint)
    kafka.forget_undone(lake.settings.checkpoints / checkpoint)
    each_batch(lake, checkpoint, run.writes, kafka.new_messages(lake.spark, topic), partial(take_in, lake))


def _typed(text: Column, kind: str) -> Column:
    """The text as the contract's type; NULL when it cannot be read as one, and for an empty text."""
    if kind == "string":
        return F.when(text != "", text)
    if kind == "timestamp":
        return F.when(text.rlike(INSTANT), text.try_cast(kind))
    return text.try_cast(kind)

"""Facts that stand in a contract and in code, since neither can read the other: each pair says the same."""

import re

import data_contracts
from feature_repo.definitions import by_the_hour, views
from jobs.events.watches import FINISHED, REACTIONS, SKIPPED
from jobs.features import trending
from jobs.features.rises import LATELY
from jobs.imports import interactions, movielens
from jobs.media import refusals
from jobs.media.status import Status
from jobs.media.visibility import Action
from jobs.ranking.gate import PROMOTED, REJECTED, UNJUDGED
from jobs.ranking.moments import GOOD, VERY_GOOD, WHOLE
from jobs.sim import plan
from serving.events import Event
from serving.feed_store.shapes import TrendingKind
from serving.ids import MAX_ID, is_id
from serving.interactions import (
    MAX_HASHTAG,
    MAX_SHARE,
    MAX_WATCH_MS,
    OF_CREATORS,
    OF_HASHTAGS,
    WITHDRAWN_WHY,
    EventType,
)
from serving.limits import Limits
from serving.player.page import APP
from serving.stated import MAX_HASHTAGS, MAX_TITLE


def rules(table: str) -> dict[str, str]:
    """The row rules of a table, by name, in SQL."""
    return {rule.name: rule.predicate for rule in data_contracts.load(table).row_rules}


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def listed(rule: str) -> list[str]:
    """The words that a rule allows."""
    return re.findall(r"'(\w+)'", rule)


def test_an_event_has_the_columns_of_the_contract_but_for_the_time_of_receipt() -> None:
    columns = {column.name for column in data_contracts.load("bronze.events").columns}
    assert {*Event.model_fields, "received_at"} == columns


def test_the_types_of_events_are_those_of_the_contract() -> None:
    assert listed(rules("bronze.events")["event_type_is_known"]) == list(EventType)
    described = data_contracts.load("bronze.events").column("event_type").description
    assert re.findall(r"\w+", described.replace(" or ", " ")) == list(EventType)


def test_an_upload_over_http_may_state_what_the_contract_takes_and_be_as_large_as_a_clip_that_is_published() -> None:
    of_uploads = rules("bronze.uploads")
    assert numbers(of_uploads["title_is_not_a_book"]) == [MAX_TITLE]
    assert numbers(of_uploads["hashtags_are_few"]) == [MAX_HASHTAGS]
    assert Limits().max_bytes == refusals.MAX_BYTES


def test_every_type_of_event_shows_or_starts_a_watch_is_a_reaction_to_one_mutes_or_withdraws() -> None:
    of_watches = {EventType.IMPRESSION, EventType.VIEW, *REACTIONS}
    assert {*of_watches, *OF_CREATORS, *OF_HASHTAGS, EventType.WITHDRAW} == set(EventType)
    assert max(EventType) == EventType.WITHDRAW, "media.publish finds it by that"
    assert WITHDRAWN_WHY.startswith(f"{refusals.Reason.WITHDRAWN}: ")
    of_events = rules("bronze.events")
    assert listed(of_events["hashtag_belongs_to_a_mute"]) == list(OF_HASHTAGS)
    assert numbers(of_events["hashtag_is_one_of_videos"])[1] == MAX_HASHTAG


def test_what_a_rule_of_visibility_does_is_what_the_contract_says() -> None:
    assert listed(rules("gold.visibility")["action_is_known"]) == list(Action)


def test_finished_and_skipped_are_those_of_the_contract() -> None:
    of_watches = rules("silver.watches")
    assert numbers(of_watches["finished_means_nine_tenths"]) == [FINISHED]
    assert numbers(of_watches["little_watched_is_skipped"]) == [SKIPPED]
    assert numbers(of_watches["share_watched_is_plausible"]) == [0, MAX_SHARE]
    columns = data_contracts.load("silver.watches").column
    assert numbers(columns("is_finished").description) == [FINISHED]
    assert numbers(columns("is_skipped").description) == numbers(columns("skipped_at").description) == [SKIPPED]


def test_the_player_takes_for_a_skip_and_for_an_id_what_the_platform_does() -> None:
    def constant(file: str, name: str) -> str:
        (found,) = re.findall(rf"^(?:export )?const {name} = (.+);$", (APP / file).read_text(), re.MULTILINE)
        return str(found).replace("_", "")

    assert float(constant("watch.js", "SKIPPED")) == SKIPPED
    assert int(constant("watch.js", "MAX_WATCH_MS")) == MAX_WATCH_MS
    pattern = constant("sheets.js", "ID").removeprefix("/").removesuffix("/u")
    for text in ("", ".", "..", "...", "a", "a/b", "a\nb", "ä b", "x" * MAX_ID, "x" * (MAX_ID + 1)):
        assert bool(re.fullmatch(pattern.removesuffix("$"), text)) == is_id(text), text


def test_the_player_has_words_for_every_reason_to_refuse_a_clip() -> None:
    (words,) = re.findall(r"REFUSALS = \{(.+?)\}", (APP / "upload.js").read_text(), re.DOTALL)
    assert re.findall(r"^  (\w+): ", words, re.MULTILINE) == list(refusals.Reason)


def test_a_feature_is_behind_by_the_day_or_the_hour_that_has_to_be_over_before_it_is_known() -> None:
    for view in views().values():
        unit = "hour" if by_the_hour(view) else "day"
        assert view.behind == f"1 {unit[0]}"
        assert numbers(rules(view.table)[f"known_only_when_the_{unit}_is_over"]) == [1]


def test_what_trends_is_of_a_kind_of_the_endpoint_and_rises_as_much_as_the_contract_says() -> None:
    of_trending = rules("gold.trending")
    assert listed(of_trending["kind_is_known"]) == [*TrendingKind] == [kind.name for kind in trending.KINDS]
    assert numbers(of_trending["score_is_a_rise"])[0] == trending.LEAST_SCORE
    assert numbers(of_trending["lately_is_enough"]) == [trending.LEAST_PEOPLE]
    assert numbers(of_trending["rank_is_listed"]) == [1, trending.MOST]
    column = data_contracts.load("gold.trending").column
    assert numbers(column("people").description) == [LATELY] == numbers(column("lately").description)


def test_the_grades_of_a_share_watched_are_those_of_the_contract() -> None:
    grades = data_contracts.load("gold.examples").column("label").description.split("by the share watched: ")[1]
    assert numbers(grades) == [0, SKIPPED, 1, GOOD, 2, VERY_GOOD, 3, WHOLE, 4]


def test_what_imports_and_the_simulated_world_hand_over_comes_from_a_source_of_the_contract() -> None:
    (rule,) = (rule for rule in rules("bronze.uploads").values() if rule.startswith("source IN"))
    assert {movielens.SOURCE, interactions.SOURCE, plan.SOURCE} < set(listed(rule))


def test_the_statuses_of_videos_are_those_of_the_contract() -> None:
    (rule,) = (rule for rule in rules("silver.videos").values() if rule.startswith("status IN"))
    assert listed(rule) == list(Status)


def test_the_verdicts_of_the_gate_are_those_of_the_contract() -> None:
    (rule,) = (rule for rule in rules("gold.models").values() if rule.startswith("verdict IN"))
    assert listed(rule) == [PROMOTED, REJECTED, UNJUDGED]

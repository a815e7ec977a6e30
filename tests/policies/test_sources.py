"""What the contracts say of the candidate sources, and cannot derive."""

import data_contracts
from jobs.ranking.features import source_features
from jobs.ranking.similar import NEAREST
from jobs.ranking.sources.registry import KEPT, SOURCES
from tests.policies.test_facts import listed, numbers, rules

CANDIDATES = "gold.candidates"


def test_gold_examples_has_the_columns_of_the_sources_in_the_order_of_the_ranker() -> None:
    columns = [column.name for column in data_contracts.load("gold.examples").columns]
    assert [column for column in source_features() if column not in columns] == [], "gold.examples lacks these columns"
    assert [column for column in columns if column in source_features()] == list(source_features())


def test_gold_candidates_takes_the_sources_that_there_are_and_as_many_ranks_as_the_largest_cap() -> None:
    assert listed(rules(CANDIDATES)["source_is_known"]) == [source.name for source in SOURCES]
    assert numbers(rules(CANDIDATES)["rank_within_cap"]) == [1, max(source.cap for source in SOURCES)]


def test_gold_candidates_describes_every_source_its_score_and_what_it_goes_by() -> None:
    for name in ("source", "score", "because"):
        description = data_contracts.load(CANDIDATES).column(name).description
        assert [source.name for source in SOURCES if source.name not in description] == [], f"{name} lacks these"


def test_lists_and_vectors_are_those_of_the_sources_that_keep_them() -> None:
    listed_ones = listed(rules("gold.similar_videos")["source_keeps_lists"])
    with_vectors = listed(rules("gold.embeddings")["model_is_known"])
    assert [*listed_ones, *with_vectors] == [source.name for source in KEPT]
    described = data_contracts.load("gold.similar_videos").column("source").description
    assert [name for name in listed_ones if name not in described] == []
    assert numbers(rules("gold.similar_videos")["rank_within_nearest"]) == [1, NEAREST]


def test_a_name_stands_for_one_source() -> None:
    assert len({source.name for source in SOURCES}) == len(SOURCES)

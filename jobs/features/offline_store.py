"""Feast's Spark offline store with a point-in-time join whose cost is linear in its rows.

Belongs here: the join alone; all else is inherited. Using it: store.py. It imports Feast, which takes seconds, so only
Feast itself loads this module, by the name that store.py gives it.

Feast's own join pairs every entity row with every earlier row of its entity, all columns included, sorts the pairs,
keeps one of each group, and joins that with all the pairs once more. A row per day of change makes that quadratic: at
two hundred thousand rows of MovieLens, gigabytes pass through the shuffle. Here the rows of both sides are put in one
order of time and each asking row takes the newest state before it.
"""

from __future__ import annotations

from typing import Any

from feast import FeatureView
from feast.infra.offline_stores import offline_utils
from feast.infra.offline_stores.contrib.spark_offline_store.spark import (
    SparkOfflineStore,
    SparkOfflineStoreConfig,
    SparkRetrievalJob,
)
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.window import of_micros
from jobs.errors import LastingError

AT = offline_utils.DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL


# A state counts from its very instant on, so at one instant states come before those who ask.
JOIN = """
{% set at = entity_df_event_timestamp_col %}
SELECT {{ final_output_feature_names | join(', ') }}
FROM {{ left_table_query_string }}
{% for view in featureviews %}
{% set keys = view.entities | join(', ') %}
LEFT JOIN (
    SELECT {{ keys }}, {{ at }}, state.*
    FROM (
        SELECT {{ keys }}, {{ at }}, asks, LAST(state, true) OVER (
            PARTITION BY {{ keys }} ORDER BY {{ at }}, asks ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS state
        FROM (
            SELECT DISTINCT {{ keys }}, {{ at }}, true AS asks, NULL AS state FROM {{ left_table_query_string }}
            UNION ALL
            SELECT {{ view.entity_selections | join(', ') }}, {{ view.timestamp_field }}, false, named_struct(
                {% for feature in view.features %}
                '{{ view.name }}__{{ feature }}', {{ feature }}{{ '' if loop.last else ',' }}
                {% endfor %}
            ) FROM {{ view.table_subquery }}
            WHERE {{ view.timestamp_field }} <= '{{ view.max_event_timestamp }}'
        )
    ) WHERE asks
) USING ({{ keys }}, {{ at }})
{% endfor %}
"""


class NotJoinable(LastingError):
    """A retrieval asks for what this join does not do."""


class AsOfSparkOfflineStoreConfig(SparkOfflineStoreConfig):
    """Feast finds it by the store's name."""

    type: str = "jobs.features.offline_store.AsOfSparkOfflineStore"


class AsOfSparkOfflineStore(SparkOfflineStore):
    """Answers `get_historical_features` for Spark frames and views whose rows hold for ever."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **kwargs: Any,
    ) -> SparkRetrievalJob:
        """The columns of `entity_df`, which has `event_timestamp`, and the features as `<view>__<feature>`.

        Raises NotJoinable for anything but a Spark frame and full names, and for views with a ttl.
        """
        if not isinstance(entity_df, DataFrame) or AT not in entity_df.columns or not full_feature_names:
            raise NotJoinable(f"This store joins features, under full names, to a Spark frame with a column {AT}.")
        if any(view.ttl for view in feature_views):
            raise NotJoinable("This store joins views whose rows hold until the next one; a ttl would be ignored.")
        spark = entity_df.sparkSession
        name = offline_utils.get_temp_entity_table_name()
        entity_df.createOrReplaceTempView(name)
        # As an integer: as a datetime it would come back in the machine's zone, and cut off what is known by then.
        row = entity_df.agg(F.unix_micros(F.max(AT)).alias("newest")).first()
        newest = of_micros((row and row["newest"]) or 0)
        contexts = offline_utils.get_feature_view_query_context(
            feature_refs, feature_views, registry, project, (newest, newest)
        )
        query = offline_utils.build_point_in_time_query(
            contexts,
            left_table_query_string=name,
            entity_df_event_timestamp_col=AT,
            entity_df_columns=dict.fromkeys(entity_df.columns).keys(),
            query_template=JOIN,
            full_feature_names=True,
        )
        return SparkRetrievalJob(spark_session=spark, query=query, full_feature_names=True, config=config)

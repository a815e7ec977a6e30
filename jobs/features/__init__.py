"""Features of viewers, videos, creators and hashtags, by the day and by the hour, and the store they are fetched from.

Belongs here: the feature tables, each one declaration (users.py, videos.py, hashtags.py) of what tables.py explains;
fetching features (store.py) and putting them online (materialise.py, and materialise_hourly.py what an hour came to).
Their names, keys, types and descriptions: data_contracts/. What Feast makes of those: feature_repo/.
"""

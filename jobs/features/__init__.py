"""Features of viewers, videos and hashtags, as of the end of each day, and the store they are fetched from.

Belongs here: the feature tables, each one declaration (users.py, videos.py, hashtags.py) of what tables.py explains;
fetching features (store.py) and putting them online (materialise.py). Their names, keys, types and descriptions:
data_contracts/. What Feast makes of those: feature_repo/.
"""

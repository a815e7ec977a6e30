"""Features of viewers, videos and hashtags, as of the end of each day, and the store they are fetched from.

Belongs here: computing the daily tables (users.py, videos.py, hashtags.py), fetching features (store.py) and putting
them online (materialise.py). Their names and types for Feast: feature_repo/.
"""

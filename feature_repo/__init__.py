"""The feature repository: what Feast knows of our features, derived from the data contracts.

Belongs here: definitions only (definitions.py). Where the registry and the online store are, how features are
fetched and materialised: jobs/features/store.py. How a feature is computed: jobs/features/{users,videos,hashtags}.py.
"""

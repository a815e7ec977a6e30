"""The feature repository: what Feast knows of our features, derived from the data contracts.

Belongs here: definitions only (definitions.py). Where the registry and the online store are, how features are fetched:
jobs/features/store.py. What a feature table counts: the module of jobs/features/ that declares it, such as users.py.
"""

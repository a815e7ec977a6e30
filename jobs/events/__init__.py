"""Raw interactions to clean watches.

Belongs here: taking events in exactly once (ingest.py) and making watches of them (watches.py). What is computed from
watches: jobs/features/. Accepting events over HTTP: serving/events.py.
"""

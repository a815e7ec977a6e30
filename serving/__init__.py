"""The HTTP endpoint: feeds from Redis, clips from the media store, events into a spool.

Belongs here: what clients talk to. It knows Redis and two folders, and nothing of Spark, tables or jobs. Starting it:
jobs/command/endpoint.py.
"""

"""Runs any job over contracted tables: windows, the lake and its rules, commits, runs, versions, streams, Spark.

Belongs here: what holds for every job and every table. Nothing here knows one of them by name, but for the engine's
own: ops.job_runs, ops.coverage and the quarantine.
"""

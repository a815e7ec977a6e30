"""Judging what the platform recommends by what people did afterwards.

Belongs here: what is kept back to judge by, and later metrics and protocols. The gate that decides whether a ranker
serves: jobs/ranking/gate.py.
"""

"""Judging what the platform recommends by what people did afterwards.

Belongs here: what is kept back to judge by (hold_out.py), and `reelmill evaluate` on plain files: its steps are in
protocol.py, and docs/evaluation.md is for those who use it. The gate that decides whether a ranker serves:
jobs/ranking/gate.py.
"""

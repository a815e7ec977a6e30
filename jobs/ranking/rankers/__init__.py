"""The rankers, one module each: lightgbm.

Belongs here: what a ranker is (ranker.py), and which there are (registry.py). What trains and judges them:
jobs/ranking/train.py and gate.py. Where their files lie, and which model serves: jobs/ranking/model.py.

A new ranker is a module here and its place in registry.RANKERS.
"""

"""The rankers, one module each: lightgbm.

Belongs here: what a ranker is (ranker.py), and which there are (registry.py). What trains and judges them:
jobs/ranking/train.py, judge.py and gate.py. Where their files lie: jobs/ranking/model.py. What serves: serving.py.

A new ranker is a module here and its place in registry.RANKERS.
"""

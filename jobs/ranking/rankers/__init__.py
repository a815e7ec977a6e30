"""The rankers: what orders the candidates of a moment.

Belongs here: one module each. What judges them: jobs/ranking/train.py and gate.py; their files: jobs/ranking/model.py.
"""

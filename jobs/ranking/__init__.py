"""From watches to a ranker: candidates, examples to learn from, training, and the gate.

Belongs here: what is proposed to whom and how it is ordered. What the ranker is told of viewers and videos by day:
jobs/features/. The feed that comes of it: jobs/feeds/.
"""

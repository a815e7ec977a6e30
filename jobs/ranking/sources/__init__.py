"""The candidate sources: item_item, popular and fresh, one module each, for the moments of one snapshot, on arrays.

Belongs here: what each source proposes and how it scores. Running them as Spark tasks: jobs/ranking/propose.py. Who
asks for which moments: candidates.py (tonight) and moments.py (the past); a score means the same in both.

These are arrays and not joins, since a join would move every pair of videos watched after each other through a shuffle
(some 50 per watch) to do what a sparse product does in place: bench/candidates.py has the figures.
"""

"""The candidate sources, one module each, of which registry.py has the list.

Belongs here: what a source is (source.py), what it is given (snapshot.py), and what those share that keep lists of
similar videos (similar.py). Running them as Spark tasks: jobs/ranking/learn.py and propose.py. Who asks for which
moments: candidates.py (tonight) and moments.py (the past); a score means the same in both.

A new source is a module here and its place in registry.JUDGED; in registry.SOURCES too where the night is to ask it, in
registry.KEPT where its lists (a Similar) or vectors (an Embeds) are to be tables. What contracts cannot derive then,
tests/policies/test_sources.py names.

Sources work on arrays and not by joins, since a join would move every pair of videos watched after each other through a
shuffle (some 50 per watch) to do what a sparse product does in place: bench/candidates.py has the figures.
"""

"""Operations on the whole platform: bringing public data sets in, and later compaction, retention and erasure.

Belongs here: work that a person or a nightly run does to the lake as a whole. What makes a table: the room that is
named after it.
"""

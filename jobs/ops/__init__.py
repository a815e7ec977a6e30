"""Operations on the whole platform: compaction, retention and erasure.

Belongs here: work that a nightly run does to every table. What makes a table: the room that is named after it.
"""

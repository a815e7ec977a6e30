"""Operations on the whole platform: the erasure of a person, and whether features are what they should be.

Belongs here: what is done to every table at once, and what is asked of several rooms. Retention and compaction:
engine/upkeep.py.
"""

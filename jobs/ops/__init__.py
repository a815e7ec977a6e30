"""Operations on the whole platform, such as the erasure of a person.

Belongs here: what is done to every table at once. Retention and compaction: engine/upkeep.py.
"""

"""Published protocols: public data sets as their authors cut them, on files that the user has.

Belongs here: one module for each protocol, which says its rules and where they stand, and a line in registry.py. What
becomes of the files: jobs/evaluation/protocol.py. Data sets that come into the lake: jobs/imports/layouts.py.
"""

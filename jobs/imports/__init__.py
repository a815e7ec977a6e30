"""Public data sets and other people's files, brought in as if clients had sent them.

Belongs here: one module for each kind of import, the layouts of public data sets, and the reading of files. What is
imported goes to the landing area and the event spool, so that everything after it is the real platform.
"""

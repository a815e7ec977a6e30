"""Public data sets and other people's files, brought in as if clients had sent them.

Belongs here: one module for each format, and strict reading of files. What is imported goes to the landing area and the
event spool, so that everything after it is the real platform.
"""

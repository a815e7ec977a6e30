"""Programs and files of this machine: Java, Redis, native libraries, folders, signals, locks, ports.

Belongs here: what would be another thing on another machine. What is stored or computed with them: the rooms above.
"""

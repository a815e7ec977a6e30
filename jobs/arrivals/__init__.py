"""What comes from outside before it is a table: files in the landing area, manifests, lines of JSON, topics of Kafka's.

Belongs here: how input is handed over whole and once, and read line by line. What a line means: media/ and events/.
The endpoint's spool, which takes events one by one: serving/spool.py.
"""

"""The Redis layout of feeds and videos: every key that the endpoint reads is written in this package and read in it.

Belongs here: key names and what a version says of itself (layout.py), what a slot and a card hold (shapes.py), a feed
as it is stored (packed.py), staging and switching feeds (writer.py), the cards of videos (cards.py), what viewers
refused (refused.py), muted (muted.py) and were shown (seen.py), reading for the endpoint (reader.py, with page.py,
parts.py and strangers.py) over one connection (wire.py), and what is held (held.py). What a feed contains: jobs/feeds.
What a cursor looks like to clients: serving/cursor.py. HTTP: serving/feeds.py.
"""

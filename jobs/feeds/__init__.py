"""Everybody's feed: tonight's candidates in order, spaced and with a reason each, and handed to the endpoint.

Belongs here: the slots of a feed and their publishing. What is proposed and how it is scored: jobs/ranking/. The keys
in Redis: serving/feed_store/.
"""

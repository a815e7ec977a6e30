"""A small simulated world, for the demo, the tests and the benchmarks: the same seed gives the same bytes.

Belongs here: who lives in the world (world.py), what they watch before there are feeds (behaviour.py) and on the feeds
that are served (follow.py), how their clips look (clips.py), and handing all of it over as a client would (simulate.py,
events.py). It writes to the landing area and the event spool only, so that everything after it is the real platform;
the plan of the world (plan.py) lies beside them. Real data sets: jobs/imports/.
"""

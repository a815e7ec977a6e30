"""The re-rank stages: each moves the candidates of whole lists, by numbers of the policy.

Belongs here: a module for each stage, and in registry.py their order. Where the numbers stand, each with its reason:
jobs/ranking/policy.yml, read by policy.py. Who lets the stages work: jobs/ranking/spacing.py, for the feeds of a night
and for the lists that the gate judges.

A stage gives each candidate of a list another place, and none to anything else. So what may not be shown to a viewer is
kept away where candidates are proposed (sources/snapshot.py), and no stage can bring it back.
"""

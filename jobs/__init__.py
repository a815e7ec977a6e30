"""What Reelmill does: the jobs, and all that they stand on.

Belongs here: rooms, one folder each. Beside them stand only pipeline.py (the list of jobs), settings.py, errors.py and
submit.py (what spark-submit starts). A job's name is its module's path and never changes: checkpoints and history hang
on it. From top to bottom, each room importing only from those below:

    command, submit              what a person or an orchestrator starts
    pipeline                     which jobs there are, and their order
    sim, imports, evaluation     worlds to try it on, data sets from outside, judging what comes out
    ops                          what is done to all tables at once, and asked of several rooms
    feeds, ranking, features     what everybody gets to see, and why
    events, media                what people did, and what they uploaded
    arrivals                     what comes from outside before it is a table
    engine                       runs any job over contracted tables, and knows none
    host                         programs and files of this machine
    settings, errors
"""

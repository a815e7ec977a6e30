"""The roots of Reelmill's own errors.

Belongs here: only the class that the CLI turns into one readable paragraph, and the one that nobody tries again. A
concrete error lives beside the code that raises it, is named for the condition, and says what happened, where, and
what to do.
"""


class ReelmillError(Exception):
    """Something a person can act on; its text is the whole message."""


class LastingError(ReelmillError):
    """What the same work raises again until a person has changed something, so that an orchestrator does not repeat it.

    Everything else may mend itself: a disk that is full, a server that does not answer, an input that comes late.
    """

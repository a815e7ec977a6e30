"""The root of Reelmill's own errors.

Belongs here: only the class that the CLI turns into one readable paragraph. A concrete error lives beside the code
that raises it, is named for the condition, and says what happened, where, and what to do.
"""


class ReelmillError(Exception):
    """Something a person can act on; its text is the whole message."""

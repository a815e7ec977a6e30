"""What a person types and sees: the `reelmill` command, the demo, the endpoint and the orchestrators on this machine.

Belongs here: arguments, help, progress and what is printed. What a command does: the room that is named for it.
"""

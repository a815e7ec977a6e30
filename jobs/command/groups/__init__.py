"""The commands of `reelmill`, one module for each group of them.

Belongs here: a command's arguments and help, and which function they lead to. A new command is a function of a module
here and its line in COMMANDS (cli.py). What commands share: options.py. Nothing heavy is imported before a command
runs, so that `--help` answers at once.
"""

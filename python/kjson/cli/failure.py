"""The error that a subcommand raises to end with one clear line."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """The command did not do all that it was asked to do; the message is the line that the user reads."""

"""The error with which a subcommand ends with one line on standard error."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """The command failed; the message is the line that the user reads."""

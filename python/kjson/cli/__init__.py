"""The `kjson` command: one module of this package for each subcommand, and here what they share.

A subcommand's module has `NAME`, `HELP`, `add_arguments(parser)` and `run(arguments) -> int`, whose result is the exit
status. What it raises as a `KafkaError`, an `OSError` or a `CommandError` becomes one line on standard error.
"""

import argparse
import logging
import sys
from typing import Optional, Sequence

import kjson
from kjson.cli import demo
from kjson.cli.failure import CommandError
from kjson.exceptions import KafkaError

__all__ = ["main"]

COMMANDS = (demo,)

INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended."""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs the command line and returns its exit status: 0 only when all of it worked."""
    # Errors end in one line, so what librdkafka logged before them has to stay out of standard error.
    logging.getLogger("kjson").addHandler(logging.NullHandler())
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone (`kjson ... | head`); Python's own flush at exit must not complain again.
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115
        return 1
    except (KafkaError, OSError, CommandError) as error:
        line = " ".join(str(error).split())
        print(f"kjson {arguments.command}: {line}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kjson", description="A Kafka client whose messages are JSON.")
    version = f"kjson {kjson.__version__} (librdkafka {kjson.librdkafka_version})"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = commands.add_parser(command.NAME, help=command.HELP, description=command.__doc__)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser

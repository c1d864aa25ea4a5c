"""The `kjson` command. Each subcommand is a module of this package; this file parses arguments and reports errors.

A subcommand's module has `NAME`, `HELP`, `add_arguments(parser)` and `run(arguments) -> int`, whose result is the exit
status. A `KafkaError`, an `OSError` or a `CommandError` that it raises becomes one line on standard error.
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
    """Runs the command and returns its exit status, which is 0 only if everything succeeded."""
    # An error is reported in one line: keep librdkafka's log lines out of standard error.
    logging.getLogger("kjson").addHandler(logging.NullHandler())
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has ended (`kjson ... | head`): Python's flush at exit must not raise again.
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

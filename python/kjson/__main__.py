"""Runs the `kjson` command as `python -m kjson`."""

import sys

from kjson.cli import main

if __name__ == "__main__":
    sys.exit(main())

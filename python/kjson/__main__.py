"""`python -m kjson` is the `kjson` command."""

import sys

from kjson.cli import main

if __name__ == "__main__":
    sys.exit(main())

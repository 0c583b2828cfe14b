"""The command `cosim`, the same as `python -m cosim`."""

import sys

from .audit.command import main

if __name__ == "__main__":
    sys.exit(main())

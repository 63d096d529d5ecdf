"""`python -m proxy` is the command `undimmed`."""

import sys

from proxy.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

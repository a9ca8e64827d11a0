"""`python -m scorer`, the same as `scorer`."""

import sys

from scorer.cli import main

sys.exit(main())

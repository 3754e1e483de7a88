"""`python -m edge` is `au-edge`."""

import sys

from edge.cli import main

sys.exit(main())

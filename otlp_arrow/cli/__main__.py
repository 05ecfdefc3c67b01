"""python -m otlp_arrow.cli"""

import sys

from . import main

sys.exit(main())

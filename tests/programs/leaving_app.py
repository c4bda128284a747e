"""A module that ends the program that imports it, as scripts do that were not written to be imported."""

from __future__ import annotations

import sys

sys.exit("I leave")

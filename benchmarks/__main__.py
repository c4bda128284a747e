"""
The command: `python -m benchmarks`, which `make bench` and `zcp-actors bench` run.
"""

from __future__ import annotations

import sys

from benchmarks.command import bench

if __name__ == "__main__":
    sys.exit(bench(prog_name="zcp-actors bench"))

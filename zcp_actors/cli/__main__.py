"""
`python -m zcp_actors.cli`: the command line where no script is installed.

Owns nothing. Refuses to be imported for anything else.
"""

from __future__ import annotations

from zcp_actors.cli.commands import main

if __name__ == "__main__":
    main()

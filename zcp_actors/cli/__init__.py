"""
The command line: `zcp-actors serve | call | tools | trace | bench | demo`, also as `python -m zcp_actors.cli`.

Owns words typed by people and what they read. Refuses to know protocol: every command is a program that any user of the
package could write. The rule that keeps it honest: a person's mistake is one line and an exit code, never a traceback.
"""

from __future__ import annotations

from zcp_actors.cli.commands import main as main

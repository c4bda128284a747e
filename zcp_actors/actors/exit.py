"""
How an actor ended.

Owns the one value that says so. Refuses to know what is done about it: that is the supervisor's business.
The four kinds are a protocol: a supervisor decides by `kind`, people read `error` and `reason`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

Kind: TypeAlias = Literal["normal", "stopped", "cancelled", "failed"]


@attrs.frozen
class Exit:
    """How an actor, a cell or a job ended.

    `normal`: it ended by its own decision. `stopped`: somebody asked it to finish its mail and end.
    `cancelled`: it was interrupted. `failed`: `error` escaped from it.
    """

    kind: Kind
    error: BaseException | None = None
    reason: str = ""
    """Who asked for it and why, where somebody said so."""

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.kind}: {self.error!r}"
        return f"{self.kind}: {self.reason}" if self.reason else self.kind

"""
Does every task of a call wait for the client?

Owns one look at trio's task tree. A wrong "no" is harmless (the step closes by its timer instead), so whatever this
cannot prove is a "no"; a wrong "yes" would cut a branch short that is still at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    import trio


def all_waiting(root: trio.lowlevel.Task, asking: Container[trio.lowlevel.Task]) -> bool:
    """True when every task below and including `root` waits for an answer, or only for its nursery to end."""
    tasks = [root]
    while tasks:
        task = tasks.pop()
        children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        if task not in asking and not (children and _waits_for_nursery(task)):
            return False
        tasks += children
    return True


def _waits_for_nursery(task: trio.lowlevel.Task) -> bool:
    """The task is at the end of its innermost nursery's block. Where trio does not tell, it is not."""
    return bool(getattr(task.child_nurseries[-1], "_parent_waiting_in_aexit", False))

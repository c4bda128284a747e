"""
What other servers do instead of what a requirement says: seen by these checks on 2026-11-21, not taken from hearsay.

Owns facts. A check that is named here must fail with that server, so that the table says when a newer version does
better; one that is not named must pass, or not apply.
"""

from __future__ import annotations

EVERYTHING = {
    "05-a-forbidden-tool-refuses-to-be-a-task": "runs the tool, then answers -32602 because its result is no task",
    "06-a-required-tool-refuses-a-plain-call": "answers with a result that has isError and names -32601 in its text",
    "18-the-id-in-params-counts": "keeps its answer for whoever fetches the task in related-task: no reply comes",
    "26-what-is-no-id-is-refused": "answers -32603",
}
"""server-everything 2026.8.31, on the TypeScript SDK 1.32.2, over stdio."""

MCP1 = {
    "12-the-actual-ttl-is-told": "leaves ttl out where it is null",
    "14-the-error-is-that-of-a-plain-call": "the error becomes statusMessage; tasks/result gives an empty result",
    "15-all-who-wait-get-the-result": "only the request that came last is ever answered",
    "17-progress-names-its-task": "progress has no place for related-task in its interface",
    "22-a-long-list-has-pages": "puts every task on one page",
    "22-a-bad-cursor-is-refused": "ignores the cursor",
    "25-a-cancelled-task-stays-cancelled": "the session dies when the work of a cancelled task ends",
    "25-a-task-that-asks-can-be-cancelled": "the session dies when a cancelled task gets its answer",
    "25-the-work-of-a-cancelled-task-stops": "tells nobody: the work goes on",
    "29-a-tools-failure-fails-the-task": "the task is completed",
    "29-a-failed-task-says-why": "the task is completed, without a message",
    "32-a-ttl-has-a-limit": "grants any",
}
"""The server of `mcp` 1.30.0, over stdio."""

MCP1_OVER_HTTP = MCP1 | {
    "33-a-poll-is-answered-with-json": "answers every request with a stream",
}
"""The same, over streamable HTTP."""

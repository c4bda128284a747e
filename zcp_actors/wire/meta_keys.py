"""
Names that travel: the protocol revisions and the reserved keys of `_meta`.

Owns strings only. Refuses to know what stands under a key.
Source: 2026-07-28 schema, `RequestMetaObject`, `ResultMetaObject`, `NotificationMetaObject`; 2025-11-25 tasks,
`related-task`.
"""

from __future__ import annotations

from typing import Final

V2025_11_25: Final = "2025-11-25"
V2026_07_28: Final = "2026-07-28"
STATEFUL_VERSIONS: Final = (V2025_11_25, "2025-06-18", "2025-03-26", "2024-11-05")
"""What a handshake may agree on, newest first: the older ones are subsets of the first, as far as peers speak them."""

PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
RELATED_TASK: Final = "io.modelcontextprotocol/related-task"
MODEL_IMMEDIATE_RESPONSE: Final = "io.modelcontextprotocol/model-immediate-response"
PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105  # no secret

TASKS_EXTENSION: Final = "io.modelcontextprotocol/tasks"
"""The key of the tasks extension under `capabilities.extensions`."""

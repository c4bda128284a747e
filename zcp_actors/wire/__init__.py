"""
The wire: bytes <-> messages of both protocol revisions. No state, no trio.

Owns the public names of the layer. `DIALECTS` maps a version string to its dialect. The tasks of the two revisions
share names, so they stay in their modules: `v2025_11_25.Task`, `tasks_extension.Task`.
"""

from __future__ import annotations

from zcp_actors.wire import meta_keys as meta_keys
from zcp_actors.wire import tasks_extension as tasks_extension
from zcp_actors.wire import v2025_11_25 as v2025_11_25
from zcp_actors.wire import v2026_07_28 as v2026_07_28
from zcp_actors.wire.capabilities import (
    ClientCapabilities as ClientCapabilities,
)
from zcp_actors.wire.capabilities import (
    ClientTasksCapability as ClientTasksCapability,
)
from zcp_actors.wire.capabilities import (
    ClientTasksRequestsCapability as ClientTasksRequestsCapability,
)
from zcp_actors.wire.capabilities import (
    ElicitationCapability as ElicitationCapability,
)
from zcp_actors.wire.capabilities import (
    Flag as Flag,
)
from zcp_actors.wire.capabilities import (
    PromptsCapability as PromptsCapability,
)
from zcp_actors.wire.capabilities import (
    ResourcesCapability as ResourcesCapability,
)
from zcp_actors.wire.capabilities import (
    RootsCapability as RootsCapability,
)
from zcp_actors.wire.capabilities import (
    SamplingCapability as SamplingCapability,
)
from zcp_actors.wire.capabilities import (
    ServerCapabilities as ServerCapabilities,
)
from zcp_actors.wire.capabilities import (
    ServerTasksCapability as ServerTasksCapability,
)
from zcp_actors.wire.capabilities import (
    ServerTasksRequestsCapability as ServerTasksRequestsCapability,
)
from zcp_actors.wire.capabilities import (
    TasksElicitationCapability as TasksElicitationCapability,
)
from zcp_actors.wire.capabilities import (
    TasksSamplingCapability as TasksSamplingCapability,
)
from zcp_actors.wire.capabilities import (
    TasksToolsCapability as TasksToolsCapability,
)
from zcp_actors.wire.capabilities import (
    ToolsCapability as ToolsCapability,
)
from zcp_actors.wire.codec import (
    MAX_BYTES as MAX_BYTES,
)
from zcp_actors.wire.codec import (
    decode as decode,
)
from zcp_actors.wire.codec import (
    encode as encode,
)
from zcp_actors.wire.codec import (
    from_wire as from_wire,
)
from zcp_actors.wire.codec import (
    to_wire as to_wire,
)
from zcp_actors.wire.completion import (
    CompleteRequestParams as CompleteRequestParams,
)
from zcp_actors.wire.completion import (
    CompleteResult as CompleteResult,
)
from zcp_actors.wire.completion import (
    Completion as Completion,
)
from zcp_actors.wire.completion import (
    CompletionArgument as CompletionArgument,
)
from zcp_actors.wire.completion import (
    CompletionContext as CompletionContext,
)
from zcp_actors.wire.completion import (
    CompletionReference as CompletionReference,
)
from zcp_actors.wire.completion import (
    PromptReference as PromptReference,
)
from zcp_actors.wire.completion import (
    ResourceTemplateReference as ResourceTemplateReference,
)
from zcp_actors.wire.content import (
    AudioContent as AudioContent,
)
from zcp_actors.wire.content import (
    ContentBlock as ContentBlock,
)
from zcp_actors.wire.content import (
    EmbeddedResource as EmbeddedResource,
)
from zcp_actors.wire.content import (
    ImageContent as ImageContent,
)
from zcp_actors.wire.content import (
    ResourceLink as ResourceLink,
)
from zcp_actors.wire.content import (
    SamplingMessageContentBlock as SamplingMessageContentBlock,
)
from zcp_actors.wire.content import (
    TextContent as TextContent,
)
from zcp_actors.wire.content import (
    ToolResultContent as ToolResultContent,
)
from zcp_actors.wire.content import (
    ToolUseContent as ToolUseContent,
)
from zcp_actors.wire.dialect import (
    Dialect as Dialect,
)
from zcp_actors.wire.dialect import (
    Side as Side,
)
from zcp_actors.wire.elicitation import (
    ElicitationCompleteNotificationParams as ElicitationCompleteNotificationParams,
)
from zcp_actors.wire.elicitation import (
    ElicitRequestFormParams as ElicitRequestFormParams,
)
from zcp_actors.wire.elicitation import (
    ElicitRequestParams as ElicitRequestParams,
)
from zcp_actors.wire.elicitation import (
    ElicitRequestURLParams as ElicitRequestURLParams,
)
from zcp_actors.wire.elicitation import (
    ElicitResult as ElicitResult,
)
from zcp_actors.wire.form_schemas import (
    BooleanSchema as BooleanSchema,
)
from zcp_actors.wire.form_schemas import (
    ElicitRequestedSchema as ElicitRequestedSchema,
)
from zcp_actors.wire.form_schemas import (
    EnumSchema as EnumSchema,
)
from zcp_actors.wire.form_schemas import (
    LegacyTitledEnumSchema as LegacyTitledEnumSchema,
)
from zcp_actors.wire.form_schemas import (
    MultiSelectEnumSchema as MultiSelectEnumSchema,
)
from zcp_actors.wire.form_schemas import (
    NumberSchema as NumberSchema,
)
from zcp_actors.wire.form_schemas import (
    PrimitiveSchemaDefinition as PrimitiveSchemaDefinition,
)
from zcp_actors.wire.form_schemas import (
    SingleSelectEnumSchema as SingleSelectEnumSchema,
)
from zcp_actors.wire.form_schemas import (
    StringSchema as StringSchema,
)
from zcp_actors.wire.form_schemas import (
    TitledChoice as TitledChoice,
)
from zcp_actors.wire.form_schemas import (
    TitledItems as TitledItems,
)
from zcp_actors.wire.form_schemas import (
    TitledMultiSelectEnumSchema as TitledMultiSelectEnumSchema,
)
from zcp_actors.wire.form_schemas import (
    TitledSingleSelectEnumSchema as TitledSingleSelectEnumSchema,
)
from zcp_actors.wire.form_schemas import (
    UntitledItems as UntitledItems,
)
from zcp_actors.wire.form_schemas import (
    UntitledMultiSelectEnumSchema as UntitledMultiSelectEnumSchema,
)
from zcp_actors.wire.form_schemas import (
    UntitledSingleSelectEnumSchema as UntitledSingleSelectEnumSchema,
)
from zcp_actors.wire.framing import (
    Lines as Lines,
)
from zcp_actors.wire.identity import (
    BaseMetadata as BaseMetadata,
)
from zcp_actors.wire.identity import (
    Decorated as Decorated,
)
from zcp_actors.wire.identity import (
    Icon as Icon,
)
from zcp_actors.wire.identity import (
    Icons as Icons,
)
from zcp_actors.wire.identity import (
    Implementation as Implementation,
)
from zcp_actors.wire.identity import (
    Listed as Listed,
)
from zcp_actors.wire.input_required import (
    CreateMessageRequest as CreateMessageRequest,
)
from zcp_actors.wire.input_required import (
    ElicitRequest as ElicitRequest,
)
from zcp_actors.wire.input_required import (
    InputRequest as InputRequest,
)
from zcp_actors.wire.input_required import (
    InputRequests as InputRequests,
)
from zcp_actors.wire.input_required import (
    InputRequiredResult as InputRequiredResult,
)
from zcp_actors.wire.input_required import (
    InputResponse as InputResponse,
)
from zcp_actors.wire.input_required import (
    InputResponseRequestParams as InputResponseRequestParams,
)
from zcp_actors.wire.input_required import (
    InputResponses as InputResponses,
)
from zcp_actors.wire.input_required import (
    ListRootsRequest as ListRootsRequest,
)
from zcp_actors.wire.jsonrpc import (
    ErrorResponse as ErrorResponse,
)
from zcp_actors.wire.jsonrpc import (
    Message as Message,
)
from zcp_actors.wire.jsonrpc import (
    Notification as Notification,
)
from zcp_actors.wire.jsonrpc import (
    Request as Request,
)
from zcp_actors.wire.jsonrpc import (
    RequestId as RequestId,
)
from zcp_actors.wire.jsonrpc import (
    Response as Response,
)
from zcp_actors.wire.lifecycle import (
    DiscoverResult as DiscoverResult,
)
from zcp_actors.wire.lifecycle import (
    InitializeRequestParams as InitializeRequestParams,
)
from zcp_actors.wire.lifecycle import (
    InitializeResult as InitializeResult,
)
from zcp_actors.wire.meta_keys import (
    V2025_11_25 as V2025_11_25,
)
from zcp_actors.wire.meta_keys import (
    V2026_07_28 as V2026_07_28,
)
from zcp_actors.wire.model import (
    NULL as NULL,
)
from zcp_actors.wire.model import (
    Model as Model,
)
from zcp_actors.wire.model import (
    Null as Null,
)
from zcp_actors.wire.notifications import (
    CancelledNotificationParams as CancelledNotificationParams,
)
from zcp_actors.wire.notifications import (
    LoggingLevel as LoggingLevel,
)
from zcp_actors.wire.notifications import (
    LoggingMessageNotificationParams as LoggingMessageNotificationParams,
)
from zcp_actors.wire.notifications import (
    ProgressNotificationParams as ProgressNotificationParams,
)
from zcp_actors.wire.notifications import (
    ProgressToken as ProgressToken,
)
from zcp_actors.wire.notifications import (
    SetLevelRequestParams as SetLevelRequestParams,
)
from zcp_actors.wire.params import (
    NotificationParams as NotificationParams,
)
from zcp_actors.wire.params import (
    PaginatedRequestParams as PaginatedRequestParams,
)
from zcp_actors.wire.params import (
    RequestParams as RequestParams,
)
from zcp_actors.wire.params import (
    TaskAugmentedRequestParams as TaskAugmentedRequestParams,
)
from zcp_actors.wire.params import (
    TaskMetadata as TaskMetadata,
)
from zcp_actors.wire.params import (
    WithMeta as WithMeta,
)
from zcp_actors.wire.plainness import (
    MAX_DEPTH as MAX_DEPTH,
)
from zcp_actors.wire.plainness import (
    plain as plain,
)
from zcp_actors.wire.prompts import (
    GetPromptRequestParams as GetPromptRequestParams,
)
from zcp_actors.wire.prompts import (
    GetPromptResult as GetPromptResult,
)
from zcp_actors.wire.prompts import (
    ListPromptsResult as ListPromptsResult,
)
from zcp_actors.wire.prompts import (
    Prompt as Prompt,
)
from zcp_actors.wire.prompts import (
    PromptArgument as PromptArgument,
)
from zcp_actors.wire.prompts import (
    PromptMessage as PromptMessage,
)
from zcp_actors.wire.resource_requests import (
    ListResourcesResult as ListResourcesResult,
)
from zcp_actors.wire.resource_requests import (
    ListResourceTemplatesResult as ListResourceTemplatesResult,
)
from zcp_actors.wire.resource_requests import (
    ReadResourceRequestParams as ReadResourceRequestParams,
)
from zcp_actors.wire.resource_requests import (
    ReadResourceResult as ReadResourceResult,
)
from zcp_actors.wire.resource_requests import (
    ResourceRequestParams as ResourceRequestParams,
)
from zcp_actors.wire.resource_requests import (
    ResourceUpdatedNotificationParams as ResourceUpdatedNotificationParams,
)
from zcp_actors.wire.resource_requests import (
    SubscribeRequestParams as SubscribeRequestParams,
)
from zcp_actors.wire.resource_requests import (
    UnsubscribeRequestParams as UnsubscribeRequestParams,
)
from zcp_actors.wire.resources import (
    Annotations as Annotations,
)
from zcp_actors.wire.resources import (
    AnyResourceContents as AnyResourceContents,
)
from zcp_actors.wire.resources import (
    BlobResourceContents as BlobResourceContents,
)
from zcp_actors.wire.resources import (
    Resource as Resource,
)
from zcp_actors.wire.resources import (
    ResourceContents as ResourceContents,
)
from zcp_actors.wire.resources import (
    ResourceTemplate as ResourceTemplate,
)
from zcp_actors.wire.resources import (
    Role as Role,
)
from zcp_actors.wire.resources import (
    TextResourceContents as TextResourceContents,
)
from zcp_actors.wire.results import (
    CacheablePage as CacheablePage,
)
from zcp_actors.wire.results import (
    CacheableResult as CacheableResult,
)
from zcp_actors.wire.results import (
    CacheScope as CacheScope,
)
from zcp_actors.wire.results import (
    EmptyResult as EmptyResult,
)
from zcp_actors.wire.results import (
    PaginatedResult as PaginatedResult,
)
from zcp_actors.wire.results import (
    Result as Result,
)
from zcp_actors.wire.roots import (
    ListRootsResult as ListRootsResult,
)
from zcp_actors.wire.roots import (
    Root as Root,
)
from zcp_actors.wire.sampling import (
    CreateMessageRequestParams as CreateMessageRequestParams,
)
from zcp_actors.wire.sampling import (
    CreateMessageResult as CreateMessageResult,
)
from zcp_actors.wire.sampling import (
    ModelHint as ModelHint,
)
from zcp_actors.wire.sampling import (
    ModelPreferences as ModelPreferences,
)
from zcp_actors.wire.sampling import (
    SamplingContent as SamplingContent,
)
from zcp_actors.wire.sampling import (
    SamplingMessage as SamplingMessage,
)
from zcp_actors.wire.sampling import (
    ToolChoice as ToolChoice,
)
from zcp_actors.wire.subscriptions import (
    SubscriptionFilter as SubscriptionFilter,
)
from zcp_actors.wire.subscriptions import (
    SubscriptionsAcknowledgedNotificationParams as SubscriptionsAcknowledgedNotificationParams,
)
from zcp_actors.wire.subscriptions import (
    SubscriptionsListenRequestParams as SubscriptionsListenRequestParams,
)
from zcp_actors.wire.subscriptions import (
    SubscriptionsListenResult as SubscriptionsListenResult,
)
from zcp_actors.wire.tool_calls import (
    CallToolRequestParams as CallToolRequestParams,
)
from zcp_actors.wire.tool_calls import (
    CallToolResult as CallToolResult,
)
from zcp_actors.wire.tools import (
    ListToolsResult as ListToolsResult,
)
from zcp_actors.wire.tools import (
    Tool as Tool,
)
from zcp_actors.wire.tools import (
    ToolAnnotations as ToolAnnotations,
)
from zcp_actors.wire.tools import (
    ToolExecution as ToolExecution,
)

DIALECTS: dict[str, Dialect] = {dialect.version: dialect for dialect in (v2025_11_25.DIALECT, v2026_07_28.DIALECT)}
"""Every revision that is spoken here, by its version string."""

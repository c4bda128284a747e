"""Where the protocol and the actors meet: sessions of both sides, calls, contexts, pending requests."""

from __future__ import annotations

from zcp_actors.sessions.asked import Elicited as Elicited
from zcp_actors.sessions.context import Context as Context
from zcp_actors.sessions.handle import ServerHandle as ServerHandle
from zcp_actors.sessions.pending import PendingRequest as PendingRequest
from zcp_actors.sessions.policy import Policy as Policy
from zcp_actors.sessions.providers import Inbox as Inbox
from zcp_actors.sessions.runtime import RESTARTS as RESTARTS
from zcp_actors.sessions.runtime import Runtime as Runtime
from zcp_actors.sessions.runtime import open_runtime as open_runtime
from zcp_actors.sessions.task_handle import TaskHandle as TaskHandle
from zcp_actors.sessions.task_view import TaskView as TaskView
from zcp_actors.sessions.timeouts import Timeouts as Timeouts
from zcp_actors.sessions.zcp_client_session import ZCPClientSession as ZCPClientSession

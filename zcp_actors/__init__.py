"""
zcp_actors: an actor runtime for agent hosts and tool servers, speaking MCP in both its eras on both sides of the wire.

The public names and nothing else. Read `actors` for the kernel, `sessions` for conversations, `app` for servers.
"""

from __future__ import annotations

from zcp_actors.actors import Actor as Actor
from zcp_actors.actors import Cell as Cell
from zcp_actors.actors import Child as Child
from zcp_actors.actors import Exit as Exit
from zcp_actors.actors import Limit as Limit
from zcp_actors.actors import Node as Node
from zcp_actors.actors import Ref as Ref
from zcp_actors.actors import Restart as Restart
from zcp_actors.actors import Strategy as Strategy
from zcp_actors.actors import Supervisor as Supervisor
from zcp_actors.actors import current_runtime as current_runtime
from zcp_actors.app import Audio as Audio
from zcp_actors.app import FastZCP as FastZCP
from zcp_actors.app import File as File
from zcp_actors.app import Image as Image
from zcp_actors.opening import open_runtime as open_runtime
from zcp_actors.ports import Changed as Changed
from zcp_actors.sessions import Context as Context
from zcp_actors.sessions import Elicited as Elicited
from zcp_actors.sessions import Inbox as Inbox
from zcp_actors.sessions import PendingRequest as PendingRequest
from zcp_actors.sessions import Policy as Policy
from zcp_actors.sessions import Runtime as Runtime
from zcp_actors.sessions import ServerHandle as ServerHandle
from zcp_actors.sessions import TaskHandle as TaskHandle
from zcp_actors.sessions import TaskView as TaskView
from zcp_actors.sessions import Timeouts as Timeouts
from zcp_actors.sessions import ZCPClientSession as ZCPClientSession
from zcp_actors.tasks.context import TaskContext as TaskContext
from zcp_actors.transports import Command as Command
from zcp_actors.transports import HTTPConfig as HTTPConfig
from zcp_actors.transports import create_asgi_app as create_asgi_app
from zcp_actors.transports import memory_client as memory_client
from zcp_actors.transports import serve_http as serve_http
from zcp_actors.transports import serve_stdio as serve_stdio
from zcp_actors.transports import serve_websocket as serve_websocket
from zcp_actors.transports import sse_client as sse_client
from zcp_actors.transports import stdio_client as stdio_client
from zcp_actors.transports import stdio_server as stdio_server
from zcp_actors.transports import streamable_http_client as streamable_http_client
from zcp_actors.transports import streamable_http_server as streamable_http_server
from zcp_actors.transports import websocket_client as websocket_client
from zcp_actors.transports import websocket_server as websocket_server

__all__ = [
    "Actor",
    "Audio",
    "Cell",
    "Changed",
    "Child",
    "Command",
    "Context",
    "Elicited",
    "Exit",
    "FastZCP",
    "File",
    "HTTPConfig",
    "Image",
    "Inbox",
    "Limit",
    "Node",
    "PendingRequest",
    "Policy",
    "Ref",
    "Restart",
    "Runtime",
    "ServerHandle",
    "Strategy",
    "Supervisor",
    "TaskContext",
    "TaskHandle",
    "TaskView",
    "Timeouts",
    "ZCPClientSession",
    "create_asgi_app",
    "current_runtime",
    "memory_client",
    "open_runtime",
    "serve_http",
    "serve_stdio",
    "serve_websocket",
    "sse_client",
    "stdio_client",
    "stdio_server",
    "streamable_http_client",
    "streamable_http_server",
    "websocket_client",
    "websocket_server",
]

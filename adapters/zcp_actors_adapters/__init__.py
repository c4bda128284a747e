"""
Agent frameworks as hosts of `zcp_actors`: one module per framework.

Owns the translation between a framework's shapes and the plain data of `zcp_actors.ports`.
Refuses to know the inside of the runtime: a module here imports `zcp_actors`, its `ports` and `aio`, and its framework.
Import the module you want; this package imports none of them, so no framework is needed but yours.
"""

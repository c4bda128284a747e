"""
Streamable HTTP: the server's end as an ASGI application, and the client's end over any httpx-like client.

Owns nothing itself: the entry functions are in `transports`.
"""

"""A collector of the tests' own: OTLP over HTTP on loopback, read by the published protobuf messages."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Collector:
    """Takes spans at `url` for the time of a `with` block. `hangs`: it takes requests and answers none of them."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.paths: list[str] = []
        self.headers: list[Any] = []
        self.asked = threading.Event()
        """Somebody sent something."""
        self._hangs = hangs
        self._let_go = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def ids(self) -> list[tuple[str, str, str]]:
        """Trace, span and parent of everything that came, sorted."""
        return sorted((span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) for span in self.spans)

    def take(self, path: str, headers: Any, body: bytes) -> None:
        self.paths.append(path)
        self.headers.append(headers)
        self.asked.set()
        if self._hangs:
            self._let_go.wait(60)
        if path != "/v1/traces":
            return
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            self.services |= {a.value.string_value for a in resource.resource.attributes if a.key == "service.name"}
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None: ...

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(self.path, self.headers, body)
            answer = ExportTraceServiceResponse().SerializeToString()
            try:
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except OSError:  # whoever asked has left
                self.close_connection = True

    return Handler

"""Where a prober is asked: `/metrics` for Prometheus, `/seen` for other probers and commands."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from infra.probing.report import Report


class Serving:
    """Answers until it is closed. Raises OSError where the port is taken; 0 takes a free one."""

    def __init__(self, host: str, port: int, report: Callable[[], Report]) -> None:
        class Answering(_Answering):
            seen = staticmethod(report)

        self._server = ThreadingHTTPServer((host, port), Answering)
        self._server.daemon_threads = True
        self.address = f"{host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="serving", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Answering(BaseHTTPRequestHandler):
    seen: Callable[[], Report]

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(CONTENT_TYPE_LATEST, generate_latest())
        elif self.path == "/seen":
            self._answer("application/json", msgspec.json.encode(self.seen()))
        else:
            self.send_error(404, "ask for /seen or /metrics")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Several times a second: nobody reads that."""

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

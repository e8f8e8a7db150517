"""Serves a stand-in for a service over HTTP, on loopback."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any


class LoopbackServer(http.server.ThreadingHTTPServer):
    """A server whose handlers find what the service knows in ``state``."""

    daemon_threads = True
    block_on_close = False
    state: Any


@contextlib.contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], state: Any) -> Iterator[Any]:
    """Serves on a free port, and yields the state, whose ``url`` is then the address."""
    server = LoopbackServer(("127.0.0.1", 0), handler)
    server.state = state
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()

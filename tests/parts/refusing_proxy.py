"""A company's proxy that lets nobody through, and remembers who asked for what."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@contextmanager
def refusing_proxy() -> Iterator[tuple[dict[str, str], list[str]]]:
    seen: list[str] = []

    class Refusing(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            seen.append(self.rfile.readline().decode(errors="replace").strip())
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        variables = {each: url for name in _NAMES for each in (name, name.lower())}
        yield {**variables, "NO_PROXY": "", "no_proxy": ""}, seen
        server.shutdown()

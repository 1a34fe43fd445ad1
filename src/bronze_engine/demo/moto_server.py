"""moto's S3 as a process that never outlives its parent.

    python -m bronze_engine.demo.moto_server BUCKET

makes the bucket and prints one line, {"url": "http://127.0.0.1:PORT"}, when it listens; it
ends when its standard input is closed.

It answers one request at a time. With a thread a request, as `moto_server` does it, two
conditional puts can both find the condition true before either is applied, and the engine
would rightly refuse the store.
"""

from __future__ import annotations

import http.client
import json
import logging
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

__all__ = ["main"]


def main(bucket: str) -> None:
    """Serve until the standard input is closed."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line a request
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request("PUT", f"/{bucket}")
    if (status := connection.getresponse().status) != http.client.OK:
        raise SystemExit(f"moto makes no bucket {bucket}: status {status}")
    connection.close()
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])

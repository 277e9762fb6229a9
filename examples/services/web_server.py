"""An HTTP server for `listen_mode = "worker"`: the master has the sockets, and each worker is given them.

`GET /` says who answers, `GET /after/2` does so two seconds later. At TERM the server accepts nothing more, answers what
it has, and ends: an idle connection is closed after five seconds, or behind its next answer.
"""

import json
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIRST_SOCKET = 3
is_leaving = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    # An answer is written in one piece.
    wbufsize = -1

    def do_GET(self):
        word, _, seconds = self.path[1:].partition("/")
        if word == "after" and seconds.isdigit():
            time.sleep(int(seconds))
        elif word:
            return self.answer(404, {"error": f"there is no {self.path}"})
        self.answer(200, {"pid": os.getpid(), "worker": os.environ.get("QUEUE_WORK_WORKER")})

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if is_leaving.is_set():
            # The client connects anew, to another worker.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        # That of a unix socket is empty.
        return self.client_address[0] if self.client_address else "unix"


def serve(descriptor):
    listener = socket.socket(fileno=descriptor)
    # Another worker may be faster to accept.
    listener.setblocking(False)
    server = ThreadingHTTPServer(None, Handler, bind_and_activate=False)
    server.daemon_threads = False
    server.socket.close()
    server.socket = listener
    threading.Thread(target=server.serve_forever, args=(0.1,)).start()
    return server


if os.environ.get("LISTEN_PID") != str(os.getpid()):
    raise SystemExit('there are no sockets for this process; run it by `listen_mode = "worker"`')
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
servers = [serve(FIRST_SOCKET + number) for number in range(int(os.environ["LISTEN_FDS"]))]
print(json.dumps({"method": "ready"}), flush=True)
signal.sigwait([signal.SIGTERM])
is_leaving.set()
for server in servers:
    server.shutdown()
for server in servers:
    # Waits for the threads of its connections.
    server.server_close()

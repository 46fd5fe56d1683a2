"""A schema registry that misbehaves on request, for test_registry.c.

Prints its port, then serves until its standard input closes.  GET /api/schemas/ids/N by the number N below;
GET /count/N says how often N was asked for."""
import base64
import http.server
import json
import sys
import threading

GOOD = json.dumps({"type": "record", "name": "R", "fields": [{"name": "x", "type": "double"}]})
asked = {}
hold = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path.startswith("/count/"):
            return self.answer(200, str(asked.get(int(self.path[7:]), 0)).encode())
        if not self.path.startswith("/api/schemas/ids/"):
            return self.answer(404, {"error_code": 404, "message": "HTTP 404 Not Found"})
        n = int(self.path.rsplit("/", 1)[1])
        asked[n] = asked.get(n, 0) + 1
        if n == 404:
            self.answer(404, {"error_code": 40403, "message": "Schema 404 not found"})
        elif n == 500 and asked[n] < 3:
            self.answer(500, {"error_code": 50001, "message": "store"})
        elif n == 408:
            hold.wait(30)  # longer than the client waits
            self.answer(200, {"schema": GOOD})
        elif n == 302:
            self.answer(302, b"", [("Location", "/api/schemas/ids/1")])
        elif n == 413:
            self.answer(200, {"schema": "x" * (5 << 20)})
        elif n == 600:
            self.answer(200, b"<html>hello</html>")
        elif n == 601:
            self.answer(200, {"schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF"})
        elif n == 602:
            self.answer(200, {"schema": GOOD, "references": [{"name": "a", "subject": "b", "version": 1}]})
        elif n == 603:
            self.answer(200, {"schema": "\"string\""})
        elif n == 604:
            self.answer(404, b"<html>no such page</html>")
        elif n == 605:
            self.answer(200, {"schema": GOOD, "schemaType": "AVRO", "references": []})
        elif n == 401:
            want = "Basic " + base64.b64encode(b"user:pa:ss").decode()
            if self.headers.get("Authorization") == want:
                self.answer(200, {"schema": GOOD})
            else:
                self.answer(401, {"error_code": 401})
        elif n == 606:  # the connection breaks in the middle of the reply
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"schema":')
            self.close_connection = True
        else:
            self.answer(200, {"schema": GOOD})

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass  # the client gave up, as it should

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdout.write("%d\n" % server.server_address[1])
sys.stdout.flush()
sys.stdin.read()
hold.set()

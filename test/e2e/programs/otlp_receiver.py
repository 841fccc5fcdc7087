"""Takes OpenTelemetry logs as the official protobuf definitions have them, and keeps what it understood.

Arguments: a folder with opentelemetry-proto, a file to append to. Refuses the first two requests with 503. Prints its port.
"""

import http.server
import json
import sys

sys.path.insert(0, sys.argv[1])

from google.protobuf import json_format  # noqa: E402
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs  # noqa: E402

refusals = 2


def value(any_value):
    which = any_value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return [value(one) for one in any_value.array_value.values]
    if which == "kvlist_value":
        return {one.key: value(one.value) for one in any_value.kvlist_value.values}
    return getattr(any_value, which)


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global refusals
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/v1/logs" or self.headers["authorization"] != "Bearer otlp-secret":
            return self.answer(401)
        if refusals > 0:
            refusals -= 1
            return self.answer(503)
        request = logs.ExportLogsServiceRequest()
        try:
            # Strict: an unknown field or a wrong type is an error.
            json_format.Parse(body, request)
        except json_format.ParseError as error:
            print("refused: %s" % error, flush=True)
            return self.answer(400)
        with open(sys.argv[2], "a", encoding="utf-8") as out:
            for resource in request.resource_logs:
                names = {one.key: value(one.value) for one in resource.resource.attributes}
                for scope in resource.scope_logs:
                    for record in scope.log_records:
                        kept = {
                            "resource": names,
                            "scope": scope.scope.name,
                            "time": record.time_unix_nano,
                            "severity": record.severity_number,
                            "event": record.event_name,
                            "attributes": {one.key: value(one.value) for one in record.attributes},
                            "body": value(record.body),
                        }
                        out.write(json.dumps(kept) + "\n")
        self.answer(200, json_format.MessageToJson(logs.ExportLogsServiceResponse()).encode())

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print("port %d" % server.server_address[1], flush=True)
server.serve_forever()

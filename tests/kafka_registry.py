#!/usr/bin/env python3
"""A schema registry for the tests of the relays to and from Kafka. usage: kafka_registry.py PORT FILE [BUS_KAFKA_JSON]

PORT 0: a free one; the port is the first line of standard output. What is registered is kept in FILE. Of BUS_KAFKA_JSON come the
schemas of captured messages, with their ids. Each request is a line of standard error: METHOD PATH STATUS.
A file FILE.refuse has words: a subject that contains one is refused (422). A file FILE.answer has a status with which everything is
answered, and perhaps a Location. REGISTRY_LOGIN=USER:PASSWORD is wanted when it is set.
"""
import base64
import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import unquote, urlsplit

FILE = sys.argv[2]
LOGIN = os.environ.get("REGISTRY_LOGIN")
schemas = {}  # id -> text
ids = {}  # text -> id
subjects = {}  # subject -> ids


def keep():
    with open(FILE + ".new", "w") as out:
        json.dump({"schemas": schemas, "subjects": subjects}, out)
    os.replace(FILE + ".new", FILE)


def add(text, number):
    schemas[number] = text
    ids[text] = number


def register(subject, text):
    if os.path.exists(FILE + ".refuse") and any(w in subject for w in open(FILE + ".refuse").read().split()):
        return 422, {"error_code": 42201, "message": "Invalid schema"}
    json.loads(text)
    if text not in ids:
        add(text, max(schemas, default=0) + 1)
    subjects.setdefault(subject, [])
    if ids[text] not in subjects[subject]:
        subjects[subject].append(ids[text])
    keep()
    return 200, {"id": ids[text]}


def answer(method, path, body):
    match = re.fullmatch(r"/schemas/ids/(\d+)", path)
    if method == "GET" and match:
        text = schemas.get(int(match[1]))
        return (200, {"schema": text}) if text else (404, {"error_code": 40403, "message": "Schema not found"})
    match = re.fullmatch(r"/subjects/([^/]+)/versions", path)
    if method == "POST" and match and body.get("schemaType") == "AVRO":
        return register(unquote(match[1]), body["schema"])
    return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}


class Handler(BaseHTTPRequestHandler):
    def run(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {}
        wanted = LOGIN and "Basic " + base64.b64encode(LOGIN.encode()).decode()
        if os.path.exists(FILE + ".answer"):
            words = open(FILE + ".answer").read().split()
            status, found = int(words[0]), {"message": "as the test wants it"}
            if len(words) > 1:
                headers["Location"] = words[1]
        elif wanted and self.headers.get("Authorization") != wanted:
            status, found = 401, {"error_code": 401, "message": "Unauthorized"}
        else:
            status, found = answer(self.command, urlsplit(self.path).path, json.loads(body) if body else {})
        text = json.dumps(found).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        print(self.command, self.path, status, file=sys.stderr, flush=True)

    do_GET = do_POST = run

    def log_message(self, *args):
        pass


if os.path.exists(FILE):
    known = json.load(open(FILE))
    subjects.update(known["subjects"])
    for key, value in known["schemas"].items():
        add(value, int(key))
if len(sys.argv) > 3:
    for message in json.load(open(sys.argv[3]))["messages"]:
        for part in ("key_schema", "value_schema"):
            schema = message["kafka"].get(part)
            if schema:
                add(schema["schema"], schema["id"])
                for entry in schema["subjects"]:
                    subjects.setdefault(entry["subject"], []).append(schema["id"])
server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(server.server_port, flush=True)
server.serve_forever()

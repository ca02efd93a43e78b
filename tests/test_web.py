# What a client gets of evlog web. EVLOG and WEB are the programs, the working directory is empty but for a log. Each
# function that begins with test_ is a case; one that fails is named, and the rest go on.
import hashlib
import html.parser
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse

EVLOG, WEB = os.environ["EVLOG"], os.environ["WEB"]
EVIL = "<xevil\u202e onload=alert(1)>\"'&\x1b[31m</td></script>--><xevil>"
TOKEN = "0123456789abcdef-TOKEN"


def evlog(*arguments, text=None, check=True):
    done = subprocess.run([EVLOG, *arguments], input=text, text=True, capture_output=True)
    assert not check or done.returncode == 0, (arguments, done.returncode, done.stderr)
    return done


# ------------------------------------------------------------------ server ----

class Server:
    """evlog-web on a Unix socket, or elsewhere with --listen among the arguments."""

    def __init__(self, *arguments):
        self.socket = None
        if "--listen" not in arguments:
            self.socket = f"socket-{time.monotonic_ns()}"
            arguments += ("--listen", "unix:" + self.socket)
        self.process = subprocess.Popen([WEB, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        place = self.process.stdout.readline()
        assert place.startswith("evlog web: "), (place, self.process.stderr.read())
        self.place = place.split()[-1]

    def connect(self, timeout=60):
        if self.socket:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(timeout)
            connection.connect(self.socket)
            return connection
        url = urllib.parse.urlsplit(self.place)
        return socket.create_connection(("127.0.0.1", url.port), timeout)

    def raw(self, request):
        with self.connect() as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(65536), b""))
            except (BrokenPipeError, ConnectionResetError):
                return b""

    def ask(self, path, method="GET", body=None, **headers):
        headers = {"Host": "localhost", "Connection": "close", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if body is not None:
            headers |= {"Content-Length": str(len(body)), "Content-Type": "application/x-www-form-urlencoded"}
        text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items() if v is not None)
        with self.connect() as connection:
            answer = b""
            try:
                connection.sendall(text.encode() + b"\r\n" + (body or "").encode())
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            except (BrokenPipeError, ConnectionResetError): # what is too large is not read to its end
                pass
        return Answer(answer)

    def end(self, number=signal.SIGTERM):
        """Ends it, and returns how long that took. What the sanitizers say makes it fail."""
        began = time.monotonic()
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, (self.process.returncode, said)
        assert said == "", said
        return time.monotonic() - began

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            if kind is None:
                self.end()
            else:
                self.process.kill()
                self.process.wait()


class Answer:
    def __init__(self, answer):
        head, _, self.body = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin1").split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            self.headers.setdefault(name.lower(), value)
        if self.headers.get("transfer-encoding") == "chunked":
            self.body = unchunk(self.body)
        self.text = self.body.decode("utf-8")


def unchunk(body):
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole += body[:int(size, 16)]
        body = body[int(size, 16) + 2:]
    return whole


class Page(html.parser.HTMLParser):
    """The tags, attributes and text of a page; refuses what a page of ours never has."""
    TAGS = set("html head meta title link script body a header nav ul li main h1 h2 p form label input button datalist option "
               "section svg title rect div span time i b small table caption thead tbody tr th td code pre details summary "
               "dl dt dd footer noscript progress br".split())
    EMPTY = {"meta", "link", "input", "br", "option", "li", "rect"}

    def __init__(self, answer):
        super().__init__()
        self.words, self.links, self.open = [], [], []
        self.feed(answer.text)
        self.close()
        self.text = "".join(self.words)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        assert tag in self.TAGS, tag
        for name, value in attributes:
            assert not name.startswith("on") and name != "style", (tag, name, value)
            assert name not in ("href", "src", "action") or re.match(r"[/?#a-z0-9]", value), (tag, name, value)
            assert name not in ("href", "src") or ":" not in value.split("?")[0], (tag, name, value)
        if tag == "script":
            assert attributes == [("src", "/page.js"), ("defer", None)], attributes
        if tag == "a":
            self.links.append(dict(attributes))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open and self.open[-1] == tag, (tag, self.open)
            self.open.pop()

    def handle_data(self, data):
        self.words.append(data)

    def link(self, words):
        """The address of the link of that kind (rel), or None."""
        return next((link["href"].partition("#")[0] for link in self.links if link.get("rel") == words), None)


def page(server, path, status=200):
    answer = server.ask(path)
    assert answer.status == status, (path, answer.status, answer.text[-400:])
    assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.headers
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy, policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    return Page(answer)


# -------------------------------------------------------------------- logs ----

def make_logs():
    """`evil`, whose every field is hostile; `large`, of many small events. And the file with the token."""
    event = {"type": "<xevil>'\"&", "source": EVIL.replace("\x1b", ""), "sourcehost": "<xevil>&\"'",
             "data": {EVIL: [EVIL, {"<xevil>": None}, {"$bin": "AAEC"}, 1.5, True, {"$ext": [5, "AAEC"]}],
                      "\r\n\r\nHTTP/1.1 200 OK\r\n\r\ndata: x\n\nid: 7": "\n\ndata: y\n\n"},
             "headers": {"<xevil>": EVIL}}
    plain = {"type": "plain.v1", "data": {"n": 1}}
    lines = [json.dumps(event)] * 3 + [json.dumps(plain)] * 120 + [json.dumps(event)]
    evlog("import", "evil", "-", text="\n".join(lines) + "\n")
    with open("token", "w") as file:
        file.write(TOKEN + "\n")
    schema = {"type": "record", "name": "A", "doc": "<xevil>", "fields": [
        {"name": "user", "type": {"type": "record", "name": "U", "fields": [{"name": "email", "type": "string", "doc": "<xevil>&"}]}},
        {"name": "items", "type": {"type": "array", "items": "long"}}]}
    evlog("schema", "add", "evil", "typed<xevil>", "-", text=json.dumps(schema))
    evlog("consumer", "add", "evil", "<xevil>\"'&/..%41")
    evlog("send", "large", "common.v1", "-", text='{"n": 1}\n' * 400000)
    evlog("send", "large", "rare.v1", '{"found": "rare"}')
    evlog("send", "large", "common.v1", "-", text='{"n": 2}\n' * 400000)


PATHS = ["/log/evil/events", "/log/evil/events?type=%3Cxevil%3E*&own=1", "/log/evil/live", "/log/evil/types",
         "/log/evil/consumers", "/log/evil/verify", "/log/evil/about", "/log/evil/event/1", "/log/evil/event/2",
         "/log/evil/consumer/%3Cxevil%3E%22%27%26%2F..%2541", "/"]


def test_every_page_shows_hostile_text_as_text():
    with Server("evil", "log") as server:
        for path in PATHS:
            shown = page(server, path)
            for word in ("\x1b", "\u202e"):
                assert word not in shown.text, (path, word)
        assert "<xevil>'\"&" in page(server, "/log/evil/events?type=%3Cxevil%3E*").text
        event = page(server, "/log/evil/event/1").text
        assert "<xevil\\u202e onload=alert(1)>\"'&\\u001b[31m</td></script>--><xevil>" in event, event
        assert "extension 5" in event and "3 bytes: 00 01 02" in event and "1.5" in event
        assert "<xevil>" in page(server, "/log/evil/consumers").text
        types = page(server, "/log/evil/types")
        shown = page(server, next(link["href"] for link in types.links if "/type/" in link.get("href", "") and
                                  "user.email" in page(server, link["href"]).text))
        assert "<xevil>&" in shown.text and "list of long" in shown.text
        as_json = server.ask("/log/evil/event/1.json")
        assert as_json.headers["content-type"] == "application/json"
        assert json.loads(as_json.text)["data"][EVIL][0] == EVIL


def test_what_a_request_says_is_text_too():
    with Server("evil") as server:
        evil = urllib.parse.quote(EVIL)
        for name in ("type", "since", "until", "from", "to", "id"):
            answer = server.ask(f"/log/evil/events?{name}={evil}")
            assert answer.status == 400, (name, answer.status)
            Page(answer)
        for path in ("/log/evil/" + evil, "/" + evil, "/log/evil/event/" + evil, "/log/evil/type/" + evil,
                     "/log/" + evil + "/events"):
            page(server, path, 404)
        page(server, "/log/evil/consumer/" + evil, 400)
        page(server, "/log/evil/consumer/nobody", 404)
        page(server, f"/log/evil/events?before={evil}&after={evil}&own={evil}&nonsense={evil}")
        page(server, f"/log/evil/live?type=plain.v1&until={evil}", 400)


def test_the_list_is_walked_by_its_links_from_the_newest_to_the_oldest_and_back():
    with Server("evil") as server:
        url, seen, back = "/log/evil/events?own=1", [], None
        while url:
            shown = page(server, url)
            rows = [int(link["href"].split("/")[-1]) for link in shown.links if "/event/" in link.get("href", "")]
            assert len(rows) <= 50
            seen += rows
            back, url = url, shown.link("next")
        last = int(json.loads(evlog("info", "evil", "-o", "json").stdout)["last_seq"])
        assert seen == list(range(last, 0, -1)), seen[:5]
        shown, again = page(server, back), []
        while shown.link("prev"):
            shown = page(server, shown.link("prev"))
            again = [int(link["href"].split("/")[-1]) for link in shown.links if "/event/" in link.get("href", "")] + again
        assert sorted(again) == list(range(len(rows) + 1, last + 1)), again


def test_all_event_types_are_listed_a_page_at_a_time():
    evlog("import", "typeful", "-", text="".join(json.dumps({"type": f"t{n}.v1", "data": {}}) + "\n" for n in range(510)))
    with Server("typeful") as server:
        url, names = "/log/typeful/types", []
        while url:
            shown = page(server, url)
            names += [link["href"].partition("events?type=")[2] for link in shown.links if "events?type=" in link["href"]]
            url = shown.link("next") and "/log/typeful/types" + shown.link("next")
        own = [name for name in names if name.startswith("evlog.")]
        assert sorted(names) == sorted(own + [f"t{n}.v1" for n in range(510)]), names


def test_filters():
    with Server("evil") as server:
        def rows(query):
            shown = page(server, "/log/evil/events?" + query)
            return [int(link["href"].split("/")[-1]) for link in shown.links if "/event/" in link.get("href", "")]
        assert rows("type=plain.v1&to=6") == [6, 5, 4]
        assert rows("type=%3Cxevil%3E*+nothing") == [124, 3, 2, 1]
        assert rows("from=2&to=3") == [3, 2]
        assert rows("until=2001-01-01") == []
        id = json.loads(server.ask("/log/evil/event/3.json").text)["id"]
        assert rows("id=" + id) == [3]
        assert 125 not in rows("") and 125 in rows("own=1"), rows("own=1")[:3]
        assert page(server, "/log/evil/events?from=3&to=2", 400)
        assert page(server, "/log/evil/events?type=a**b+*c*", 400)
        numbers = [int(link["href"].split("/")[-1]) for link in page(server, "/log/evil/event/60").links
                   if "/event/" in link.get("href", "") and not link.get("rel")]
        assert numbers == list(range(57, 64)), numbers


def test_the_commands_filters():
    sent = [("a.v1", "s/one", "h1"), ("a.v1", "s/two", "h2"), ("b.v1", "s/one", "h2"), ("b.v1", "t", "h1")]
    lines = [json.dumps({"type": kind, "source": source, "sourcehost": host,
                         "data": {"user": {"id": n}, "text": f"Line {n}", "a.b": n}})
             for n, (kind, source, host) in enumerate(sent)]
    order = ("type", "where", "grep", "not-type", "source", "host")
    evlog("import", "sifted", "-", text="\n".join(lines) + "\n")

    def commands(pairs):
        options = [word for name, value in pairs for word in ("--" + name, value)]
        shown = evlog("show", "sifted", *options, "-r", "-o", "json", check=False).stdout
        return [json.loads(line)["seq"] for line in shown.splitlines()]
    with Server("sifted") as server:
        for pairs in ([("where", "user.id=2")], [("where", "user.id>0"), ("where", "user.id!=2")],
                      [("where", "text~^Line [12]$")], [("where", "a\\.b<=1")], [("where", 'text="Line 3"')],
                      [("grep", "line 3")], [("grep", "Line")], [("grep", "line"), ("grep", "0")],
                      [("not-type", "a.*")], [("source", "s/*")], [("source", "s/one"), ("source", "t")],
                      [("host", "h2"), ("source", "s/*")], [("type", "a.*"), ("where", "user.id=7")],
                      [("where", "nothing=null"), ("grep", "line 1")]):
            query = urllib.parse.urlencode(pairs)
            shown = page(server, "/log/sifted/events?" + query)
            rows = [int(link["href"].split("/")[-1]) for link in shown.links if "/event/" in link.get("href", "")]
            assert rows == commands(pairs), (pairs, rows, commands(pairs))
            # The form has it all again, and so have the links.
            again = re.findall(r'<input name="([^"]*)"[^>]* value="([^"]*)"',
                               server.ask("/log/sifted/events?" + query).text)
            assert sorted((name, html.unescape(value)) for name, value in again if value) == sorted(pairs), again
            for link in shown.links:
                if "since=" in link.get("href", ""): # a bar of the timeline
                    given = urllib.parse.parse_qsl(urllib.parse.urlsplit(link["href"]).query)
                    assert [pair for pair in given if pair[0] not in ("since", "until")] == sorted(
                        pairs, key=lambda pair: order.index(pair[0])), link
            live = [int(link["href"].split("/")[-1]) for link in page(server, "/log/sifted/live?" + query).links
                    if "/event/" in link.get("href", "")]
            assert live == rows, (pairs, live)
        url = html.unescape(re.search('data-live="([^"]*)"', server.ask("/log/sifted/live?where=n%3E1&grep=x").text)[1])
        with stream(server, url) as connection:
            evlog("send", "sifted", "c.v1", "-", text='{"n": 1, "t": "x"}\n{"n": 2, "t": "y"}\n{"n": 3, "t": "x"}\n')
            row = html.unescape(events_of(connection, 1)[0][2])
            assert '<code>{"n": 3, "t": "x"}</code>' in row, row
        for wrong in ("where=nothing", "where=a~(", "where=a~(b{9}){9}", "where=a~(b)%5C1",
                      "where=a~" + urllib.parse.quote("(((((b)+)+)+)+)+"),
                      "where=a~" + "b" * 200, "&".join(f"grep=g{n}" for n in range(17)), "where=a=1&where=a"):
            page(server, "/log/sifted/events?" + wrong, 400)
        page(server, "/log/sifted/events?" + "&".join(f"{name}=x%3D1" for name in order[1:] for _ in range(16)))


def test_no_regular_expression_takes_long():
    """Some of these take minutes on a text of this size."""
    text = "".join(random.Random(1).choices("ab", k=800000))
    evlog("send", "long", "long.v1", "-", text=(json.dumps({"a": text}) + "\n") * 5)
    evlog("send", "long", "short.v1", "-", text=json.dumps({"a": "ab" * 1900}) + "\n" + json.dumps({"a": "abx"}) + "\n")
    with Server("long") as server:
        for pattern, found in (("[ab]*x", [7]), ("(((([ab]*x|[ab]*y)+)+)+)+", [7]), ("(a|b)*a" + "(a|b)" * 20 + "c", []),
                               ("(" * 30 + "a" + ")*" * 30 + "x$", [7]), (".*" * 20 + "x$", [7])):
            began = time.monotonic()
            shown = page(server, "/log/long/events?" + urllib.parse.urlencode({"where": "a~" + pattern}))
            took = time.monotonic() - began
            rows = [int(link["href"].split("/")[-1]) for link in shown.links if "/event/" in link.get("href", "")]
            assert rows == found and "up to 4096 bytes" in shown.text and took < 20, (pattern, rows, took)
        assert "up to 4096 bytes" not in page(server, "/log/long/events?where=a%3D1").text
        page(server, "/log/long/events?grep=" + "a" * 257, 400)


def test_times_are_utc_wherever_it_runs():
    os.environ["TZ"] = "Asia/Tokyo"
    try:
        with Server("evil") as server:
            shown = server.ask("/log/evil/event/1").text
    finally:
        del os.environ["TZ"]
    times = re.findall(r'<time datetime="([^"]*)">([^<]*)</time>', shown)
    assert times and all(text.replace(" ", "T") == datetime[:len(text)] for datetime, text in times), times


def test_the_timeline_counts():
    with Server("evil", "large") as server:
        shown = page(server, "/log/evil/events").text
        assert re.search(r"plain\.v1 ?120\b", shown), shown
        shown = page(server, "/log/large/events").text
        assert "800,001 events" in shown and "estimated" in shown, shown[:2000]
        counts = re.findall(r'<td class="number">([\d,]+)</td>', server.ask("/log/large/events").text)
        assert sum(int(count.replace(",", "")) for count in counts) == 800001, counts


def test_a_long_search_is_cut_and_goes_on():
    with Server("large") as server:
        for query, found in (("type=rare.v1", "rare"), ("id=00000000-0000-0000-0000-000000000001", None)):
            url, steps, texts = "/log/large/events?" + query, 0, ""
            while url:
                began = time.monotonic()
                shown = page(server, url)
                assert time.monotonic() - began < 3, url
                texts += shown.text
                steps += "Search on" in shown.text
                url = shown.link("next")
                assert steps < 1000
            assert ('"found": "rare"' in texts) == (found is not None)
            if not found:
                assert steps > 0 and "No event matches" in texts, (steps, texts[-1500:])


def test_a_search_for_a_type_uses_the_summaries():
    """With its sanitizers a page looks at some thousand events in its time; a summary says of 65,536 what is not there."""
    for n in range(10):
        evlog("send", "summed", "common.v1", "-", text='{"n": 1}\n' * 20000)
        evlog("send", "summed", f"rare{n % 2}.v1", "-", text='{"n": 2}\n' * (n % 4))
    # A reader that makes them.
    evlog("replay", "summed", "--plugin", os.path.join(os.path.dirname(EVLOG), "plugins/refusing.so"))

    def pages(server, query):
        url, found, count = "/log/summed/events?from=1&to=196608&" + query, [], 0
        while url:
            shown = page(server, url)
            found += [int(link["href"].split("/")[-1]) for link in shown.links if "/event/" in link.get("href", "")]
            url, count = shown.link("next"), count + 1
        return found, count
    with Server("summed") as server:
        found, count = pages(server, "type=nothing.v1")
        assert not found and count <= 4, count
        for query in ("rare0.v1", "rare1.v1", "rare*"):
            shown = evlog("show", "summed", "--type", query, "--to", "196608", "-r", "-o", "json").stdout
            wanted = [json.loads(line)["seq"] for line in shown.splitlines()]
            found, count = pages(server, "type=" + query)
            assert found == wanted and len(found) > 3 and count <= 4, (query, found, wanted, count)


def test_a_request_that_is_not_one_of_ours():
    with Server("evil") as server:
        page(server, "/nowhere", 404)
        page(server, "/log/evil/nowhere", 404)
        page(server, "/log/nowhere/events", 404)
        page(server, "/log/evil/event/99999", 404)
        page(server, "/log/evil/event/0", 404)
        page(server, "/log/evil/events/1", 404)
        page(server, "/log/evil/type/0000000000000000", 404)
        page(server, "/log/evil/../../etc/passwd", 404)
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            answer = server.ask("/log/evil/events", method)
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD"), (method, answer.status)
        assert server.ask("/log/evil/events", "POST", "a=b").status == 405
        head, get = server.ask("/log/evil/types", "HEAD"), server.ask("/log/evil/types")
        assert head.status == 200 and head.body == b"" and head.headers["content-length"] == str(len(get.body))
        assert server.ask("/").headers["location"] == "/log/evil/events"
        assert server.ask("/log/evil/events?type=" + "a" * 5000).status == 414
        assert server.ask("/", X=("a" * 60000)).status in (413, 431, 0)
        for path, kind in (("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml")):
            answer = server.ask(path)
            assert answer.status == 200 and answer.headers["content-type"].startswith(kind)
            assert b"http://" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"") and b"https://" not in answer.body


def test_another_host_is_refused():
    with Server("evil", "--host", "logs.example.com") as server:
        for host in ("localhost", "LOCALHOST:8474", "127.0.0.1:1", "[::1]", "[::1]:99", "logs.example.com:443"):
            assert server.ask("/log/evil/about", Host=host).status == 200, host
        for host in ("evil.example.com", "localhost.example.com", "127.0.0.1.example.com", "", None, "example.com:8474", "[::2]"):
            answer = server.ask("/log/evil/about", Host=host)
            assert answer.status in (421, 400) and "seq" not in answer.text, (host, answer.status)
            assert server.ask("/log/evil/verify", "POST", "", Host=host).status in (421, 400)
            assert server.ask("/log/evil/verify", "PUT", "", Host=host).status in (421, 400)


def test_a_token_is_asked_for():
    with Server("evil", "--token", "token") as server:
        for path in ("/", "/log/evil/events", "/log/evil/event/1.json", "/log/evil/live/stream", "/nowhere"):
            answer = server.ask(path)
            assert answer.status == 401 and "plain" not in answer.text, path
        for cookie in ("evlog_token=", "evlog_token=" + TOKEN[:-1], "evlog_token=" + TOKEN + "x", "x=" + TOKEN):
            assert server.ask("/log/evil/about", Cookie=cookie).status == 401, cookie
        assert server.ask("/log/evil/about", Cookie="evlog_token=" + TOKEN).status == 200
        assert server.ask("/log/evil/about", Authorization="Bearer " + TOKEN).status == 200
        assert server.ask("/log/evil/about", Authorization="Bearer x").status == 401
        assert server.ask("/log/evil/verify", "POST", "").status == 401
        to = urllib.parse.quote("/log/evil/events?type=plain.v1")
        answer = server.ask("/login", "POST", f"token={TOKEN}&to={to}")
        assert (answer.status, answer.headers["location"]) == (303, "/log/evil/events?type=plain.v1")
        assert answer.headers["set-cookie"] == f"evlog_token={TOKEN}; Path=/; HttpOnly; SameSite=Lax"
        answer = server.ask("/login", "POST", f"token=wrong&to={to}")
        assert answer.status == 401 and "set-cookie" not in answer.headers
        for to in ("//evil.example.com/", "https://evil.example.com/", "/\\evil.example.com", "/a%0d%0aSet-Cookie: x", "%2F%2Fx"):
            assert server.ask("/login", "POST", f"token={TOKEN}&to={to}").headers["location"] == "/", to
        assert server.ask("/login", "POST", "token=" + "x" * 9000).status in (0, 401, 413)
        assert server.ask("/login", "POST", f"token={TOKEN}", Origin="http://evil.example.com").status == 403
    with Server("evil", "--token", "token", "--listen", "0.0.0.0:0") as server:
        assert server.ask("/log/evil/about").status == 401
        assert server.ask("/log/evil/about", Cookie="evlog_token=" + TOKEN).status == 200


def test_metrics_are_those_of_the_command():
    def lasting(text): # readers and times change between two looks
        return [line for line in text.splitlines() if not re.match(r"evlog_(readers|reader_held_bytes|consumer_lag_seconds)\{", line)]
    evlog("copy", "evil", "measured")
    with Server("evil", "measured", "--token", "token") as server:
        assert server.ask("/metrics").status == 401
        assert server.ask("/metrics", Authorization="Bearer " + TOKEN, Host="evil.example.com").status == 421
        answer = server.ask("/metrics", Authorization="Bearer " + TOKEN)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert lasting(answer.text) == lasting(evlog("metrics", "evil", "measured").stdout), answer.text
        assert 'evlog_events_total{log="measured"}' in answer.text
        os.rename("measured", "away")
        answer = server.ask("/metrics", Authorization="Bearer " + TOKEN)
        assert answer.status == 200 and 'evlog_up{log="measured"} 0\n' in answer.text and 'evlog_up{log="evil"} 1\n' in answer.text


def test_the_size_is_that_of_info():
    def shown(size):
        for unit in ("B", "kB", "MB"):
            if size < 999.95:
                return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
            size /= 1000
    info = json.loads(evlog("info", "large", "-o", "json").stdout)
    assert info["ahead_size"] > 0, info
    words = (f"{shown(info['used_size'] - info['free_size'])} in use, {shown(info['free_size'])} free for events to come, "
             f"{shown(info['ahead_size'])} kept ahead, {shown(info['file_size'])} on disk")
    with Server("large") as server:
        assert words in page(server, "/log/large/about").text, words


def events_of(connection, count, until=30):
    """Events of a stream, as (kind, id, data)."""
    text, found, connection_ends = b"", [], time.monotonic() + until
    while len(found) < count and time.monotonic() < connection_ends:
        part = connection.recv(65536)
        if not part:
            break
        text += part
        body = text.partition(b"\r\n\r\n")[2]
        found = []
        whole = b""
        while b"\r\n" in body: # the chunks that are whole
            size, _, rest = body.partition(b"\r\n")
            if len(rest) < int(size, 16) + 2:
                break
            whole += rest[:int(size, 16)]
            body = rest[int(size, 16) + 2:]
        for block in whole.decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if fields:
                found.append((fields.get("event", "message"), fields.get("id"), fields.get("data")))
    return found


def stream(server, path, **headers):
    connection = server.connect()
    more = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
    return connection


def test_a_live_view_gets_what_comes():
    evlog("send", "lively", "first.v1", "{}")
    with Server("lively") as server:
        shown = server.ask("/log/lively/live?type=wanted.*").text
        url = html.unescape(re.search('data-live="([^"]*)"', shown)[1])
        with stream(server, url) as connection, stream(server, "/log/lively/live/stream", Last_Event_ID="1") as other:
            evlog("send", "lively", "other.v1", "{}")
            evlog("send", "lively", "wanted.v1", json.dumps({"text": "a\n\nid: 99\n\n" + EVIL}))
            found = events_of(connection, 1)
            assert [(kind, id) for kind, id, _ in found] == [("message", "3")], found
            row = Page(Answer(b"HTTP/1.1 200 OK\r\n\r\n<table>" + found[0][2].encode() + b"</table>"))
            assert "wanted.v1" in row.text and "<xevil" in row.text
            assert [id for _, id, _ in events_of(other, 2)] == ["2", "3"]
        # More than can be shown is passed over, and said; but not what a filter makes few.
        evlog("send", "lively", "burst.v1", "-", text="{}\n" * 50000)
        evlog("send", "lively", "wanted.v1", '{"n": 2}')
        with stream(server, "/log/lively/live/stream?after=3") as connection:
            found = events_of(connection, 90)
            at = next(i for i, (kind, _, _) in enumerate(found) if kind == "passed")
            passed = json.loads(found[at][2])
            assert passed["first"] == 4 + at and passed["last"] > 48000, found[at]
            assert [int(id) for _, id, _ in found[:at]] == list(range(4, 4 + at))
            assert [int(id) for _, id, _ in found[at + 1:]] == list(range(passed["last"] + 1, passed["last"] + len(found) - at))
        with stream(server, "/log/lively/live/stream?after=3&type=wanted.*") as connection:
            assert [(kind, id) for kind, id, _ in events_of(connection, 1)] == [("message", "50004")]


def test_a_live_view_is_kept_alive_in_a_busy_log_that_has_nothing_for_it():
    evlog("send", "busy", "other.v1", "{}")
    with Server("busy") as server, stream(server, "/log/busy/live/stream?type=wanted.*") as connection:
        connection.settimeout(0.01)
        text, deadline = b"", time.monotonic() + 30
        while text.count(b":\n\n") < 2: # one comes at the beginning
            evlog("send", "busy", "other.v1", "{}")
            assert time.monotonic() < deadline, text
            try:
                text += connection.recv(65536)
            except TimeoutError:
                pass


def test_a_live_view_of_a_log_that_is_gone_ends():
    evlog("send", "leaving", "first.v1", "{}")
    with Server("leaving") as server, stream(server, "/log/leaving/live/stream?after=0") as connection:
        assert [id for _, id, _ in events_of(connection, 1)] == ["1"]
        os.rename("leaving", "left")
        deadline = time.monotonic() + 20
        while part := connection.recv(65536):
            assert time.monotonic() < deadline, part


def test_live_views_have_a_limit_and_leave_room():
    with Server("evil") as server:
        views = [stream(server, "/log/evil/live/stream") for _ in range(24)]
        for view in views:
            assert b"200 OK" in view.recv(20)
        assert server.ask("/log/evil/live/stream").status == 503
        assert server.ask("/log/evil/about").status == 200
        for view in views:
            view.close()
        deadline = time.monotonic() + 40 # one that is gone is noticed when something is sent
        while True:
            with stream(server, "/log/evil/live/stream") as view:
                if b"200 OK" in view.recv(20):
                    break
            assert time.monotonic() < deadline
            time.sleep(0.2)


def verify(server, path):
    answer = server.ask(path, "POST", "")
    assert (answer.status, answer.headers["location"]) == (303, path)
    deadline = time.monotonic() + 60
    while True:
        shown = page(server, path).text
        if "Verify again" in shown:
            return shown
        assert time.monotonic() < deadline


def test_verifying():
    evlog("copy", "evil", "damaged")
    with open("damaged/events.mdb", "r+b") as file:
        file.seek(file.read().index(b"onload"))
        file.write(b"ONLOAD")
    with Server("evil", "damaged") as server:
        assert "Verify now" in page(server, "/log/evil/verify").text
        assert "all is as it was written" in verify(server, "/log/evil/verify")
        shown = verify(server, "/log/damaged/verify")
        assert "finding" in shown and "checksum" in shown, shown
        assert server.ask("/log/evil/verify", "POST", "", Sec_Fetch_Site="cross-site").status == 403
        assert server.ask("/log/evil/verify", "POST", "", Origin="http://evil.example.com").status == 403
        assert server.ask("/log/evil/verify", "POST", "", Origin="http://localhost").status == 303
        with stream(server, "/log/evil/verify/stream") as connection:
            found = events_of(connection, 100)
            assert found[-1][0] == "ended" and json.loads(found[-1][2])["total"] >= 124, found
        listed = page(server, "/log/damaged/events?type=%3Cxevil%3E*").text
        assert "could not be read" in listed
        damaged = [seq for seq in (1, 2, 3, 124) if server.ask(f"/log/damaged/event/{seq}.json").status != 200]
        assert damaged and "Around it" in page(server, f"/log/damaged/event/{damaged[0]}").text


def files_of(log):
    return {name: hashlib.sha256(open(os.path.join(log, name), "rb").read()).hexdigest()
            for name in sorted(os.listdir(log)) if not name.endswith("lock") and name != "shared"}


def test_it_only_reads_and_lets_go_of_the_log():
    evlog("copy", "evil", "kept")
    before = files_of("kept")
    with Server("kept") as server:
        for path in PATHS:
            server.ask(path.replace("evil", "kept", 1))
        verify(server, "/log/kept/verify")
        assert files_of("kept") == before, (files_of("kept"), before)
        evlog("compact", "kept", "--yes") # needs the log alone
        assert server.ask("/log/kept/event/1").status == 200
        os.rename("kept", "gone")
        assert server.ask("/log/kept/events").status == 404
        os.rename("gone", "kept")
        assert server.ask("/log/kept/events").status == 200


def test_parked_events_with_their_reasons():
    evlog("send", "parking", "org.example.plugged.v1", "-", text='{"n": 1}\n{"n": 2}\n')
    os.environ |= {"PLUGIN_REFUSES": "all", "PLUGIN_WHY": EVIL}
    evlog("consume", "parking", "c", "--plugin", os.path.join(os.path.dirname(EVLOG), "plugins/refusing.so"), check=False)
    parked = [json.loads(line) for line in evlog("parked", "ls", "parking", "c", "-o", "json").stdout.splitlines()]
    assert len(parked) == 2, parked
    with Server("parking") as server:
        shown = page(server, "/log/parking/consumer/c")
        assert shown.text.count("<xevil\\u202e onload=alert(1)>\"'&\\u001b[31m</td></script>--><xevil>") == 2, shown.text
        assert [link["href"] for link in shown.links if "/event/" in link.get("href", "")] == ["/log/parking/event/1", "/log/parking/event/2"]


def fuzzed(random):
    """A request that may be almost right, cut, repeated, or noise."""
    words = [b"GET ", b"POST ", b"HEAD ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: localhost\r\n", b"\r\n", b"\r\n\r\n", b"%00", b"%ff%fe",
             b"/log/evil/events", b"/log/evil/event/", b"/log/evil/live/stream", b"/log/evil/verify", b"?type=", b"&since=", b"&before=",
             b"&id=", b"&where=", b"&where=a~(b|c)+[",
             b"&grep=", b"&host=*", b"&not-type=", b"%", b"=", b"&", b"18446744073709551615", b"18446744073709551616", b"-1", b"0", b"a*", b"\0", b"\xff" * 9,
             b"Content-Length: 10\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Cookie: evlog_token=\r\n",
             b"Last-Event-ID: 99999999999999999999\r\n", b"ffffffffffffffff\r\n", b"A" * 3000, b"-99999w", b"@9999999999999", b"/log/large/events"]
    path = random.choice([b"/log/evil/events?type=%s&from=%s", b"/log/evil/event/%s%s", b"/log/evil/live?type=%s&since=%s",
                          b"/log/evil/consumer/%s%s", b"/log/evil/type/%s%s", b"/log/evil/events?id=%s&until=%s",
                          b"/log/evil/events?before=%s&after=%s", b"/log/evil/events?where=%s~%s", b"/log/%s/%s"]) % (random.choice(words), random.choice(words))
    request = b"GET " + path.replace(b" ", b"").replace(b"\r\n", b"") + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    kind = random.randrange(4)
    if kind == 1:
        request = b"".join(random.choice(words) for _ in range(random.randrange(1, 25)))
    elif kind == 2:
        request = bytearray(request)
        for _ in range(random.randrange(1, 6)):
            request[random.randrange(len(request))] = random.randrange(256)
    elif kind == 3:
        request = request[:random.randrange(len(request))]
    return bytes(request)


def test_no_request_crashes_it():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    with Server("evil", "large") as server:
        for i in range(400):
            request = fuzzed(chance)
            if b"stream" in request: # would go on
                with server.connect(0.1) as connection:
                    try:
                        connection.sendall(request)
                        connection.recv(100)
                    except OSError:
                        pass
            else:
                answer = server.raw(request)
                assert b" 500 " not in answer[:20], (seed, request, answer[-300:])
            assert server.process.poll() is None, (seed, request)
        assert server.ask("/log/evil/about").status == 200


def test_many_at_once():
    failed = []
    with Server("evil", "large") as server:
        def ask(i):
            try:
                for path in (f"/log/large/events?before={100000 + i}", "/log/evil/live", "/log/evil/types"):
                    if server.ask(path).status != 200:
                        failed.append(path)
            except Exception as error:
                failed.append(error)
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed, failed


def test_it_ends_within_a_second():
    for number in (signal.SIGTERM, signal.SIGINT):
        server = Server("large")
        views = [stream(server, "/log/large/live/stream") for _ in range(4)] + [server.connect() for _ in range(4)]
        server.ask("/log/large/verify", "POST", "")
        for view in views[:4]:
            view.recv(10)
        took = server.end(number)
        assert took < 1.5, took # the sanitizers look for leaks, too
        assert not os.path.exists(server.socket)
        for view in views:
            view.close()


def test_its_socket_is_its_users_alone_and_a_dead_one_is_replaced():
    with Server("evil", "--listen", "unix:place") as server:
        assert os.stat("place").st_mode & 0o777 == 0o600
        second = subprocess.run([WEB, "evil", "--listen", "unix:place"], capture_output=True, text=True)
        assert second.returncode == 3 and "in use" in second.stderr, second
        server.process.kill()
        server.process.wait()
    assert os.path.exists("place")
    with Server("evil", "--listen", "unix:place") as server:
        server.socket = "place"
        assert server.ask("/log/evil/about").status == 200
    with open("place", "w") as file:
        file.write("a file")
    assert subprocess.run([WEB, "evil", "--listen", "unix:place"], capture_output=True).returncode == 3
    assert open("place").read() == "a file"


def test_two_logs_of_one_name_have_two():
    os.makedirs("other", exist_ok=True)
    evlog("send", "other/evil", "second.v1", "{}")
    with Server("evil/", "other/evil") as server:
        listed = [link["href"] for link in page(server, "/").links if link["href"].startswith("/log/")]
        assert listed == ["/log/evil/events", "/log/evil-2/events"], listed
        assert "second.v1" in page(server, "/log/evil-2/events").text


def main():
    make_logs()
    cases = [(name, case) for name, case in globals().items() if name.startswith("test_")]
    wanted = sys.argv[1:]
    failed = 0
    for name, case in cases:
        if wanted and name not in wanted:
            continue
        began = time.monotonic()
        try:
            case()
        except Exception:
            failed += 1
            print(f"FAILED: {name}", file=sys.stderr)
            traceback.print_exc()
        print(f"{time.monotonic() - began:6.2f} s  {name}")
    print(f"{failed} of {len(cases)} cases of test_web.py failed" if failed else f"{len(cases)} cases of test_web.py hold")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())

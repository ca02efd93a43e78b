# The page in Chromium, as somebody uses it: see check_web.sh. EVLOG and WEB are the programs, PICTURES is where the
# screenshots go, the working directory is empty. Chromedriver is spoken to as W3C's WebDriver says; what that has not
# (dark and light, the size of a telephone) by Chromium's own commands.
#
# Each function that begins with test_ is a case. After each one the console is empty, nothing violated the content
# security policy, and nothing was asked of any other address.
import base64
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

from test_web import EVIL, Server, evlog

PICTURES = os.environ["PICTURES"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf" # the name of an element's id in WebDriver
KEYS = {"Enter": "\ue007", "Tab": "\ue004", "Shift": "\ue008", "Space": " ", "End": "\ue010", "Home": "\ue011"}
WIDE, NARROW = (1200, 850), (360, 740)


def until(what, true, seconds=15):
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)
    return found


# ----------------------------------------------------------------- browser ----

class Browser:
    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
        port = None
        while port is None:
            line = self.driver.stdout.readline()
            assert line, "chromedriver does not start"
            port = re.search(r"successfully on port (\d+)", line)
        self.connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=60)
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            "--no-first-run", "--disable-background-networking", "--disable-component-update",
                            "--user-data-dir=" + self.profile.name]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options,
                  "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.session = ""
        answer = self.call("POST", "/session", capabilities={"alwaysMatch": wanted})
        self.session = "/session/" + answer["sessionId"]
        self.size(*WIDE)
        self.go("about:blank")
        self.said()

    def call(self, method, path, **body):
        self.connection.request(method, self.session + path, json.dumps(body) if method == "POST" else None)
        answer = json.loads(self.connection.getresponse().read())["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError((path, body, answer["error"], answer.get("message", "")[:400]))
        return answer

    def end(self):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.profile.cleanup()

    def devtools(self, command, **arguments):
        return self.call("POST", "/goog/cdp/execute", cmd=command, params=arguments)

    def go(self, url):
        self.call("POST", "/url", url=url)

    def url(self):
        return self.call("GET", "/url")

    def back(self):
        self.call("POST", "/back")

    def reload(self):
        self.call("POST", "/refresh")

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", script=script, args=list(arguments))

    def all(self, css):
        return self.call("POST", "/elements", using="css selector", value=css)

    def one(self, css):
        found = self.all(css)
        assert found, f"nothing on the page is {css}"
        return found[0]

    def text(self, css="main"):
        try:
            return self.call("GET", f"/element/{self.one(css)[ELEMENT]}/text")
        except AssertionError as error:
            if "stale element" not in str(error): # another page has come in between
                raise
            return self.text(css)

    def has(self, words):
        return words in self.text("body")

    def click(self, css):
        self.call("POST", f"/element/{self.one(css)[ELEMENT]}/click")

    def follow(self, words):
        """Clicks the link with these words."""
        found = self.call("POST", "/elements", using="link text", value=words)
        assert found, f"no link {words}"
        self.call("POST", f"/element/{found[0][ELEMENT]}/click")

    def press(self, *keys):
        for key in keys:
            key = KEYS.get(key, key)
            self.call("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": [
                {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}])

    def type(self, text):
        for character in text:
            self.press(character)

    def focus(self):
        """What has the focus: its tag, and its name, address or text."""
        return self.run("""const e = document.activeElement;
            return [e.tagName, e.getAttribute('name') || e.getAttribute('href') || e.textContent.trim()]""")

    def size(self, width, height):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                      mobile=False)

    def scheme(self, name):
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, name):
        with open(os.path.join(PICTURES, name + ".png"), "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def said(self):
        """What the console has, and the addresses that something was asked of, since the last time."""
        console = [entry["message"] for entry in self.call("POST", "/se/log", type="browser")]
        asked = []
        for entry in self.call("POST", "/se/log", type="performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                asked.append(message["params"].get("request", message["params"])["url"])
        return console, asked


# -------------------------------------------------------------------- logs ----

LONG = "long" * 50
HOSTILE = "<b>evil<b>\"'& %41"


def lines(events):
    return "".join(json.dumps(event) + "\n" for event in events)


def make_logs():
    """One of which every field is hostile; one of orders, with a seal and consumers; one that is long to verify."""
    deep = "bottom"
    for n in range(18):
        deep = {"<xevil>": [deep]} if n % 2 else {"k": deep}
    evil = [{"type": "<xevil>'\"&", "source": EVIL.replace("\x1b", ""), "sourcehost": "<xevil>&\"'",
             "headers": {"<xevil>": EVIL},
             "data": {EVIL: [EVIL, {"<xevil>": None}, 1.5, True], "\u2066\u200f": "\u2067\u0000",
                      "\r\n\r\ndata: x\n\nid: 7": "\n\ndata: y\n\n"}},
            {"type": LONG + ".v1", "source": LONG, "sourcehost": LONG,
             "data": {LONG * 20: LONG * 500, "words": "word " * 3000, "deep": deep}},
            {"type": "many.v1", "data": {f"k{n}": n for n in range(4000)}}]
    evlog("import", HOSTILE, "-", text=lines(evil))
    evlog("consumer", "add", HOSTILE, "<xevil>\"'&/..%41")
    evlog("consumer", "add", HOSTILE, LONG[:128])
    schema = {"type": "record", "name": "A", "doc": "<xevil>",
              "fields": [{"name": "f", "type": ["null", "string"], "doc": EVIL + LONG}]}
    evlog("schema", "add", HOSTILE, "typed<xevil>", "-", text=json.dumps(schema))
    evlog("send", HOSTILE, "org.example.plugged.v1", '{"n": 1}')
    os.environ |= {"PLUGIN_REFUSES": "all", "PLUGIN_WHY": EVIL + LONG}
    plugin = os.path.join(os.path.dirname(EVLOG_PROGRAM), "plugins/refusing.so")
    evlog("consume", HOSTILE, "parking", "--plugin", plugin, check=False)
    evlog("erase", HOSTILE, "3", "--reason", "<xevil>ticket", "--yes")

    orders = [{"type": f"org.example.order.{kind}.v1", "source": f"shop/{n % 3}",
               "data": {"order": {"id": n, "customer": {"name": f"Customer {n % 97}", "city": "Zürich"},
                                  "items": [{"sku": f"S-{n % 11}", "count": n % 4 + 1}]}}}
              for n in range(1, 2001) for kind in (("placed", "paid") if n % 5 else ("placed",))]
    evlog("import", "orders", "-", text=lines(orders))
    evlog("consume", "orders", "mailer", "--exec", "cat >/dev/null")
    evlog("consumer", "add", "orders", "billing")
    evlog("seal", "keygen", "orders", "--key", "key")
    evlog("seal", "orders", "--key", "key")
    evlog("send", "tall", "a.v1", "-", "--durability", "fast", text='{"n": 1}\n' * 3000000)


EVLOG_PROGRAM = os.environ["EVLOG"]
LOG = "/log/" + urllib.parse.quote(HOSTILE, safe="") + "/"
PAGES = {"logs": "/", "events": "/log/orders/events",
         "filtered": "/log/orders/events?where=order.id%3C100&grep=s-7&source=shop/1&own=1",
         "event": "/log/orders/event/5", "live": "/log/orders/live", "types": "/log/orders/types",
         "consumers": "/log/orders/consumers", "consumer": "/log/orders/consumer/mailer",
         "verify": "/log/orders/verify", "about": "/log/orders/about", "wrong": "/log/orders/events?id=x",
         "evil-events": LOG + "events", "evil-event": LOG + "event/1", "evil-long": LOG + "event/2",
         "evil-erased": LOG + "event/3", "evil-live": LOG + "live", "evil-types": LOG + "types",
         "evil-consumers": LOG + "consumers", "evil-parked": LOG + "consumer/parking",
         "evil-consumer": LOG + "consumer/" + urllib.parse.quote("<xevil>\"'&/..%41", safe=""),
         "evil-about": LOG + "about?" + EVIL.replace("\x1b", "%1b")}


# ------------------------------------------------------------------- cases ----

def rows(browser):
    return browser.run(r"""return [...document.querySelectorAll('.events tbody tr')].map(
        row => row.innerText.replace(/\s+/g, ' '))""")


def test_it_is_looked_through_by_clicks(browser, place):
    browser.go(place)
    browser.follow("orders")
    assert len(rows(browser)) == 50 and browser.all(".chart svg a rect[class^=k]"), rows(browser)[:2]
    legend = browser.text(".legend")
    assert re.search(r"placed\.v1\s+2,000", legend) and re.search(r"paid\.v1\s+1,600", legend), legend
    newest = rows(browser)[0]
    browser.follow("Older →")
    assert newest not in rows(browser) and "before=" in browser.url()
    browser.follow("← Newer")
    assert rows(browser)[0] == newest
    browser.follow("org.example.order.paid.v1")
    assert all("paid" in row for row in rows(browser))
    browser.run("document.querySelector('.chart a').dispatchEvent(new MouseEvent('click', {cancelable: true}))")
    until("a bar leads to its time", lambda: "since=" in browser.url() and "type=" in browser.url())
    browser.go(place + "log/orders/event/5")
    assert len(rows(browser)) == 7 and browser.all(".events tr.current")
    assert "customer" in browser.text(".tree") and "Zürich" in browser.text(".tree")
    browser.run("document.querySelectorAll('.tree details').forEach(part => part.open = false)")
    assert "Zürich" not in browser.text(".tree")
    browser.click(".tree summary")
    browser.click(".tree .tree summary")
    assert "Zürich" in browser.text(".tree")
    browser.follow("After →")
    assert browser.url().endswith("/event/6"), browser.url()
    browser.follow("Types")
    browser.follow("org.example.order.placed.v1")
    assert browser.has("untyped")
    browser.follow("Its events")
    assert "type=org.example.order.placed.v1" in browser.url()
    browser.follow("Consumers")
    assert re.search(r"billing\s+0\s+3,60\d", browser.text("table")), browser.text("table")
    browser.follow("billing")
    assert browser.has("Behind")
    browser.follow("About")
    browser.follow("Seals")
    assert [row for row in rows(browser) if "evlog.sealed" in row], rows(browser)
    browser.click(".events a")
    assert browser.has("orders") and browser.has("Around it")


def test_the_filter_is_the_commands_and_the_url_has_all_of_it(browser, place):
    browser.go(place + "log/orders/events")
    browser.click("input[name=where]")
    browser.type("order.id<=20")
    browser.click("input[name=grep]")
    browser.type("customer 1")
    browser.click(".more summary")
    browser.click("input[name=source]")
    browser.type("shop/1")
    browser.click(".filter button")
    until("the filter is in the address", lambda: "where=" in browser.url())
    given = urllib.parse.parse_qsl(urllib.parse.urlsplit(browser.url()).query)
    assert given == [("where", "order.id<=20"), ("grep", "customer 1"), ("source", "shop/1")], browser.url()
    wanted = evlog("show", "orders", "--where", "order.id<=20", "--grep", "customer 1", "--source", "shop/1",
                   "-o", "json").stdout.splitlines()
    assert len(rows(browser)) == len(wanted) > 0
    assert len(browser.all("input[name=where]")) == 2 and browser.all(".more[open]") # one more condition can be added
    view = browser.text()
    address = browser.url()
    browser.reload()
    assert browser.text() == view
    browser.follow("Live")
    browser.back()
    assert browser.text() == view and browser.url() == address
    browser.call("POST", "/window", handle=browser.call("POST", "/window/new", type="window")["handle"])
    browser.size(*WIDE)
    browser.go(address) # as a colleague
    assert browser.text() == view
    browser.call("DELETE", "/window")
    browser.call("POST", "/window", handle=browser.call("GET", "/window/handles")[0])
    browser.follow("Clear")
    assert "?" not in browser.url() and len(rows(browser)) == 50


# How many elements and attributes there are that are none of ours, whether there is a character that is not to be shown
# as it is, and the text.
HOSTILE_THINGS = r"""
const all = [...document.querySelectorAll("*")];
const attributes = all.flatMap(e => [...e.attributes]);
const text = document.body.innerText + document.title + attributes.map(a => a.value).join("\n");
const foreign = "xevil, b:not(.legend b, td > b), iframe, object, embed, style, script:not([src='/page.js'])";
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
return [document.querySelectorAll(foreign).length,
    attributes.filter(a => a.name.startsWith("on") || a.name == "style").length, hidden.test(text), text];
"""


def test_hostile_data_is_text_on_every_page(browser, place):
    for name, path in PAGES.items():
        browser.go(place + path[1:])
        found = browser.run(HOSTILE_THINGS)
        assert found[:3] == [0, 0, False], (name, found)
        if name.startswith("evil") and name not in ("evil-long",):
            assert "<xevil" in found[3], name
        if name.startswith("evil"):
            assert HOSTILE in browser.text("header"), name
    browser.go(place + LOG[1:] + "events")
    browser.click(".events a[href$='/event/1']")
    assert EVIL.replace("\u202e", "\\u202e").replace("\x1b", "\\u001b") in browser.text()


def test_each_page_fits_wide_and_narrow_dark_and_light_and_can_be_read(browser, place):
    wrong = []
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        for width, height in (WIDE, NARROW):
            browser.size(width, height)
            for name, path in PAGES.items():
                browser.go(place + path[1:])
                browser.run("document.querySelectorAll('details').forEach(part => part.open = true)")
                found = browser.run(LOOK)
                wrong += [(name, scheme, width, what) for what in found["wrong"]]
                if (found["light"] > 0.5) != (scheme == "light"):
                    wrong.append((name, scheme, width, "has the other colours"))
                browser.run("scrollTo(0, 0)")
                browser.picture(f"{name}-{scheme}-{width}")
    browser.scheme("")
    browser.size(*WIDE)
    assert not wrong, "\n".join(map(str, wrong[:25]))


# What is wrong with how a page looks and is built. Contrasts are those that WCAG 2.2 asks for (AA).
LOOK = r"""
const wrong = [];
const say = (what, element) => wrong.push(what + ": " + element.outerHTML.slice(0, 100));
if (document.documentElement.scrollWidth > innerWidth)
    for (const e of document.querySelectorAll("main *, header *"))
        if (e.getBoundingClientRect().right > innerWidth + 1 && !e.closest("table, pre, nav, svg"))
            say("goes beyond the window", e);
if (document.documentElement.scrollWidth > innerWidth) wrong.push("scrolls sideways");
const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
function rgba(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
}
function light(colour) {
    const linear = c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    const [r, g, b] = colour.slice(0, 3).map(c => linear(c / 255));
    return .2126 * r + .7152 * g + .0722 * b;
}
function paper(e) {
    for (; e; e = e.parentElement) {
        const colour = rgba(getComputedStyle(e).backgroundColor);
        if (colour[3] == 255) return colour;
    }
    return [255, 255, 255];
}
const known = new Map();
for (const e of document.querySelectorAll("body *")) {
    const hasText = [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim());
    if (!hasText || !e.getClientRects().length || e.closest("svg, datalist, noscript")) continue;
    const ink = getComputedStyle(e).color, ground = paper(e), key = ink + ground;
    if (known.has(key)) continue;
    const [a, b] = [light(rgba(ink)), light(ground)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    known.set(key, ratio);
    if (ratio < 4.5) say("contrast " + ratio.toFixed(2), e);
}
if (document.querySelectorAll("h1").length != 1) wrong.push("not one h1");
if (document.querySelectorAll("main").length != 1 || !document.documentElement.lang || !document.title)
    wrong.push("no main, language or title");
for (const e of document.querySelectorAll("input, progress, select"))
    if (e.type != "hidden" && !e.closest("label") && !e.getAttribute("aria-label")) say("has no label", e);
for (const e of document.querySelectorAll("a, button"))
    if (!e.hidden && !e.textContent.trim() && !e.getAttribute("aria-label")) say("has no name", e);
const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
if (new Set(ids).size != ids.length) wrong.push("an id twice");
for (const e of document.querySelectorAll("table"))
    if (e.querySelectorAll("thead th[scope=col]").length == 0) say("has no column headers", e);
return {wrong: wrong, light: light(paper(document.body))};
"""


def test_keys_are_enough(browser, place):
    browser.go(place + "log/orders/events")
    browser.press("Tab")
    assert browser.focus() == ["A", "#main"], browser.focus()
    assert browser.run("return document.activeElement.getBoundingClientRect().left >= 0")
    browser.press("Enter")
    assert browser.url().endswith("#main")
    browser.press("Tab")
    assert browser.focus() == ["INPUT", "type"], browser.focus() # what follows the menu
    browser.go(place + "log/orders/events")
    browser.press("/")
    assert browser.focus() == ["INPUT", "type"], browser.focus()
    browser.type("org.example.order.paid*")
    browser.press("Enter")
    until("the filter is used", lambda: "type=" in browser.url())
    assert all("paid" in row for row in rows(browser)) and rows(browser)
    first = rows(browser)[0]
    browser.press("j")
    until("j goes to the older ones", lambda: "before=" in browser.url())
    browser.press("k")
    until("k goes back to the newer ones", lambda: rows(browser)[:1] == [first])
    # The tabulator comes to everything that can be clicked but for the bars, whose numbers are also a table.
    browser.go(place + "log/orders/event/5")
    wanted = browser.run("""return [...document.querySelectorAll('a, button, input, summary')].filter(
        e => e.getClientRects().length && e.tabIndex >= 0).length""")
    seen = []
    for _ in range(wanted + 3):
        browser.press("Tab")
        seen.append(browser.focus())
        assert browser.run("""const e = document.activeElement;
            return e == document.body || getComputedStyle(e).outlineStyle != 'none'"""), browser.focus()
    assert len(set(map(tuple, seen))) >= wanted - 6, (wanted, seen) # some lead to the same place
    browser.run("document.querySelector('.tree summary').focus()")
    browser.press("Enter")
    assert "Zürich" not in browser.text(".tree")
    browser.press("Space")
    assert "Zürich" in browser.text(".tree")
    browser.press("j")
    until("j goes to the next event", lambda: browser.url().endswith("/event/6"))


HELD = "return document.querySelector('[data-held]').textContent"


def send(n, count=1):
    evlog("send", "lively", "org.example.tick.v1", "-", text="".join(f'{{"n": {i}}}\n' for i in range(n, n + count)))


def test_the_live_view_stays_where_it_is_while_it_is_read(browser, place):
    browser.go(place + "log/lively/live")
    until("it is connected", lambda: browser.has("New events come as they are logged."))
    send(100)
    until("an event comes", lambda: '"n": 100' in rows(browser)[0])
    browser.size(1200, 300)
    browser.run("scrollTo(0, 1e6)")
    at = """const row = [...document.querySelectorAll('.events tbody tr')].find(r => r.getBoundingClientRect().top > 0);
        return [row.innerText, row.getBoundingClientRect().top, scrollY]"""
    before = browser.run(at)
    assert before[2] > 0
    send(101, 5)
    until("they are counted", lambda: browser.run(HELD) == "Show 5 new")
    assert browser.run(at) == before
    browser.run("scrollTo(0, 0)")
    assert '"n": 100' in rows(browser)[0]
    browser.click("[data-held]")
    assert all('"n": %d' % (105 - i) in row for i, row in enumerate(rows(browser)[:6])), rows(browser)[:7]
    # While a row has the focus, and while it is paused, too.
    browser.size(*WIDE)
    browser.run("scrollTo(0, 0); document.querySelector('.events tbody a').focus()")
    send(106)
    until("it is held", lambda: browser.run(HELD) == "Show 1 new")
    browser.click("[data-held]")
    browser.run("document.activeElement.blur(); scrollTo(0, 0)")
    browser.click("[data-pause]")
    send(107, 2)
    until("they are held", lambda: browser.run(HELD) == "Show 2 new")
    browser.click("[data-pause]")
    assert '"n": 108' in rows(browser)[0]
    # More than it keeps: the rows stay bounded, and it says what it passed over.
    evlog("send", "lively", "org.example.burst.v1", "-", text='{"b": 1}\n' * 60000)
    newest = "return document.querySelector('.events .seq a').textContent"
    until("the end is there", lambda: browser.run(newest) == last_seq("lively"))
    assert len(rows(browser)) <= 300
    assert browser.has("were passed over")
    # A filter holds for it, too.
    browser.go(place + "log/lively/live?where=n%3E200")
    until("it is connected", lambda: browser.has("New events come as they are logged."))
    send(150)
    send(250)
    until("an event comes", lambda: rows(browser) and '"n": 250' in rows(browser)[0])
    assert len(rows(browser)) == 1, rows(browser)


def last_seq(log):
    return str(json.loads(evlog("info", log, "-o", "json").stdout)["last_seq"])


def test_verifying_shows_its_progress_and_its_end(browser, place):
    browser.go(place + "log/tall/verify")
    browser.click("form button")
    values = []

    def ended():
        now = browser.run("const p = document.querySelector('progress'); return p ? [p.value, p.max] : null")
        values.append(now)
        return now is None and browser.has("Verify again")
    until("it ends, and the page notices", ended, 60)
    values = [value for value in values if value]
    assert len({done for done, _ in values}) > 2 and values == sorted(values) and values[-1][1] >= 3000000, values
    assert browser.has("3,000,00") and browser.has("all is as it was written")
    browser.go(place + "log/damaged/verify")
    browser.click("form button")
    until("it finds something", lambda: browser.has("checksum"))
    browser.click(".findings a")
    assert browser.has("checksum") and browser.has("Around it")


def test_parked_events_have_their_reasons(browser, place):
    browser.go(place + LOG[1:] + "consumers")
    browser.follow("parking")
    assert "\\u202e onload=alert(1)" in browser.text(".parked") and LONG in browser.text(".parked")
    browser.click(".parked a")
    assert browser.has("Around it")


def test_it_works_without_its_script(browser, place):
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.go(place + "log/orders/events")
        browser.follow("Older →")
        browser.click(".events a")
        assert browser.has("Around it")
        browser.go(place + "log/orders/events")
        browser.click("input[name=where]")
        browser.type("order.id=7")
        browser.press("Enter")
        until("the filter is used", lambda: "where=order.id%3D7" in browser.url())
        assert browser.text("#list").count("placed") == 1
        browser.go(place + "log/orders/live")
        assert browser.has("Reload the page to see what is new.")
        browser.go(place + "log/orders/verify")
        browser.click("form button")
        until("it ends", lambda: browser.has("Verify again"))
    finally:
        browser.devtools("Emulation.setScriptExecutionDisabled", value=False)


def test_a_token_is_asked_for_once(browser, place):
    with open("token", "w") as file:
        file.write("0123456789abcdef-TOKEN\n")
    with Server("orders", "--token", "token", "--listen", "127.0.0.1:0") as server:
        browser.go(server.place + "log/orders/event/5")
        browser.said() # that the answer is 401
        browser.click("input[name=token]")
        browser.type("0123456789abcdef-TOKEN")
        browser.press("Enter")
        until("it leads to what was asked for", lambda: browser.has("Around it"))
        browser.follow("Events")
        assert len(rows(browser)) == 50
        return server.place


# ----------------------------------------------------------------- picture ----

def make_picture_log():
    """Some seconds in the life of a course: its types come and go, so that there is something to see."""
    names = ["alice", "bob", "carol", "dave", "erin", "frank"]
    for step in range(60):
        counts = {"course.enrollment.created": 2 + 14 * (16 < step < 38),
                  "student.registration.completed": 3 + step % 5, "course.discussion.posted": step % 7 // 2,
                  "certificate.created": (step - 30) // 3 if step > 38 else 0}
        for kind, count in counts.items():
            events = [{"user": {"id": step * 7 + n, "username": names[(step + n) % 6]},
                       "course": "course-v1:edX+DemoX+2026"} for n in range(count)]
            evlog("send", "demox", f"org.example.{kind}.v1", "-", text=lines(events), check=False)


def test_the_picture_of_the_readme(browser, place):
    browser.size(1080, 640)
    browser.scheme("light")
    browser.go(place + "log/demox/events")
    assert len(browser.all(".chart svg a")) > 20 and len(rows(browser)) == 50
    browser.picture("page")
    size = os.path.getsize(os.path.join(PICTURES, "page.png"))
    assert 10000 < size < 150 << 10, size
    browser.scheme("")
    browser.size(*WIDE)


# ----------------------------------------------------------------- running ----

def check_what_was_said(browser, *places):
    console, asked = browser.said()
    foreign = [url for url in asked if not url.startswith(places) and not url.startswith(("data:,", "about:"))]
    assert not foreign, foreign
    # An address that is wrong on purpose is answered with a status that the console repeats.
    console = [line for line in console if "status of 400" not in line]
    assert not console, console


def run_case(case, browser, place):
    began = time.monotonic()
    failed = False
    try:
        other = case(browser, place)
        check_what_was_said(browser, place, other or place)
    except Exception:
        failed = True
        print(f"FAILED: {case.__name__}", file=sys.stderr)
        traceback.print_exc()
        try:
            browser.picture("failed-" + case.__name__)
            browser.said()
        except (OSError, http.client.HTTPException):
            raise SystemExit("Chromium does not answer any more")
    print(f"{time.monotonic() - began:6.2f} s  {case.__name__}", flush=True)
    return failed


def main():
    wanted = sys.argv[1:]
    cases = [case for name, case in globals().items() if name.startswith("test_") and (not wanted or name in wanted)]
    assert cases, wanted
    began = time.monotonic()
    make_logs()
    make_picture_log()
    send(0, 50)
    evlog("copy", "orders", "damaged")
    with open("damaged/events.mdb", "r+b") as file:
        file.seek(file.read().index(b"Customer 3"))
        file.write(b"CUSTOMER")
    print(f"{time.monotonic() - began:6.2f} s  the logs", flush=True)
    browser = Browser()
    try:
        with Server(HOSTILE, "orders", "lively", "tall", "damaged", "demox", "--listen", "127.0.0.1:0") as server:
            failed = sum(run_case(case, browser, server.place) for case in cases)
    finally:
        browser.end()
    print(f"{failed} of {len(cases)} cases of check_web.py failed" if failed
          else f"{len(cases)} cases of check_web.py hold in Chromium")
    return failed != 0


sys.exit(main())

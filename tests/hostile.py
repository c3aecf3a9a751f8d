"""Requests that a page must refuse or show as plain text: what each is, and what comes of it."""

from __future__ import annotations

import io
import json
import socket
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

from pages import Answered, Client

JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}


class Case(NamedTuple):
    kind: str
    what: str
    ask: Callable[[Client], Answered]
    status: tuple[int, ...]
    says: str = ""


CASES: list[Case] = []


def case(kind: str, what: str, ask: Callable[[Client], Answered], *status: int, says: str = "") -> None:
    CASES.append(Case(kind, what, ask, status, says))


def raw(client: Client, *parts: bytes, wait: float = 20.0) -> Answered:
    """Bytes as they are; an answer that is none has status 0."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=wait) as connection:
        content = b""
        try:
            for part in parts:
                connection.sendall(part)
            while part := connection.recv(65536):
                content += part
                head, found, body = content.partition(b"\r\n\r\n")
                if found and b"content-length: " in head.lower():
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    if len(body) >= length:
                        break
        except OSError:
            pass
    status = content.split(b" ", 2)[1] if content.startswith(b"HTTP/") else b"0"
    return Answered(int(status), {}, content.partition(b"\r\n\r\n")[2])


def head(client: Client, *lines: str, method: str = "GET", path: str = "api/state", host: str | None = "") -> bytes:
    host_line = [] if host is None else [f"Host: {host or f'127.0.0.1:{client.port}'}"]
    return "\r\n".join([f"{method} /{client.token}/{path} HTTP/1.1", *host_line, *lines, "", ""]).encode()


def host(name: str | None) -> Callable[[Client], Answered]:
    return lambda client: raw(
        client, head(client, "Connection: close", host=name and name.replace("PORT", str(client.port)))
    )


def get(path: str, **headers: str) -> Callable[[Client], Answered]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.ask(
        "GET", path, None, {k: v.replace("PORT", str(client.port)) for k, v in named.items()}
    )


def post(path: str, body: bytes | object, **headers: str) -> Callable[[Client], Answered]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.ask("POST", path, content, named)


def upload(what: str, content: bytes, query: str = "name=x", **headers: str) -> Callable[[Client], Answered]:
    named = BYTES | {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.ask("POST", f"api/upload/{what}?{query}", content, named)


def png(size: int = 4) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + bytes(size) for _ in range(size)))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def archive(*members: tuple[str, bytes, int], level: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", level) as opened:
        for name, content, mode in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = level
            opened.writestr(entry, content)
    return out.getvalue()


PLAIN = stat.S_IFREG | 0o644
SOUND = [(f"{label}/{index}.png", png(), PLAIN) for label in "ab" for index in range(3)]


def encrypted() -> bytes:
    """The flag that says so, in both headers of a member."""
    content = bytearray(archive(*SOUND))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    return bytes(content)


def damaged() -> bytes:
    """The first byte of the first member's packed content is of no block that exists."""
    content = bytearray(archive(*SOUND))
    content[30 + len(SOUND[0][0])] |= 0b110  # after the 30 bytes of a header and the name
    return bytes(content)


def many_streams(client: Client) -> Answered:
    """A thousand connections for events; the last one's answer."""
    opened = list[socket.socket]()
    statuses = list[int]()
    try:
        for _ in range(1000):
            connection = socket.create_connection(("127.0.0.1", client.port), timeout=20)
            opened.append(connection)
            connection.sendall(head(client, path="api/events"))
            answer = connection.recv(200)
            statuses.append(int(answer.split(b" ")[1]))
        assert statuses.count(200) <= 24
        assert client.get("api/state").status == 200
    finally:
        for connection in opened:
            connection.close()
    return Answered(statuses[-1], {}, b"")


def image_of(path: str, content: bytes) -> Callable[[Client], Answered]:
    def ask(client: Client) -> Answered:
        folder = client.post("api/upload/folder", {"name": "x"}).json["folder"]
        return client.ask("POST", f"api/upload/image?folder={folder}&path={path}", content, BYTES)

    return ask


def recipe(*lines: str) -> Callable[[Client], Answered]:
    """A recipe that is told faulty, and put back."""

    def ask(client: Client) -> Answered:
        before = client.state()["recipe"]["toml"]
        answer = client.post("api/recipe", {"toml": "\n".join(lines)})
        trained = client.do("play")
        client.post("api/recipe", {"toml": before})
        assert trained.status == 409
        return answer

    return ask


DENSE = '[[layers]]\nkind = "dense"\nunits = 2'
HTML = b"<html><script>alert(1)</script></html>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"

for name, text in {
    "a name that points at this machine": "evil.example",
    "such a name with the port": "evil.example:PORT",
    "a name that begins like ours": "localhost.evil.example:PORT",
    "another port": "127.0.0.1:1",
    "the host before an @": "127.0.0.1:PORT@evil.example",
    "another address of the device": "127.0.0.2:PORT",
    "all addresses": "0.0.0.0:PORT",
    "an address of IPv6": "[::1]:PORT",
}.items():
    case("Host", name, host(text), 421, says="127.0.0.1 and localhost alone")
case("Host", "none at all", host(None), 400)
case("Host", "two of them", lambda c: raw(c, head(c, "Host: evil.example", "Connection: close")), 400, 421)

for name, text in {
    "another page's": "http://evil.example",
    "nobody's, as of a sandboxed document": "null",
    "ours under https": "https://127.0.0.1:PORT",
    "another port of this machine": "http://127.0.0.1:1",
    "a file's": "file://",
}.items():
    case("Origin", name, get("api/state", Origin=text), 403, says="another page")
case("Origin", "another page's, with a body", post("api/job", {"do": "play"}, Origin="http://evil.example"), 403)
case("Origin", "none, and the browser says it is another site", get("api/state", Sec_Fetch_Site="cross-site"), 403)
case(
    "Origin",
    "a script of another site that loads ours",
    get("static/main.js", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors"),
    403,
)

case(
    "Token",
    "none",
    lambda c: raw(c, f"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1:{c.port}\r\nConnection: close\r\n\r\n".encode()),
    403,
    says="lacks its token",
)
case("Token", "a wrong one", lambda c: c.ask("GET", "api/state", token="x" * 32), 403)
case("Token", "its beginning", lambda c: c.ask("GET", "api/state", token=c.token[:-1]), 403)
case("Token", "in the query alone", lambda c: c.ask("GET", f"state?token={c.token}", token="api"), 403)
case(
    "Token",
    "that of reports, for the recipe",
    lambda c: c.ask("GET", "api/state", token=c.serving.desk.reports_token),
    404,
)
case("Token", "the page's, for a report", get("report/x"), 404)
case(
    "Token",
    "with letters that are none",
    lambda c: raw(
        c, f"GET /%ff%fe/api/state HTTP/1.1\r\nHost: 127.0.0.1:{c.port}\r\nConnection: close\r\n\r\n".encode()
    ),
    403,
)

for name, path in {
    "two points": "static/../../../../etc/passwd",
    "two points in per cent": "static/%2e%2e/%2e%2e/etc/passwd",
    "a slash in per cent": "static/..%2f..%2fserver.py",
    "per cent twice": "static/%252e%252e/server.py",
    "backslashes": "static/..%5c..%5cserver.py",
    "a path from the root": "static//etc/passwd",
    "a NUL behind a name": "static/main.js%00.css",
    "the source of the server": "static/../server.py",
    "a folder": "static/vendor/",
    "a name in capitals": "static/MAIN.JS",
}.items():
    case("Path", name, get(path), 404)
for name, path in {
    "the folder above the runs": "..",
    "a file above them": "..%2f..%2fsecret",
    "a path from the root": "%2fetc%2fpasswd",
    "a run that is a link": "linked",
    "a report that is a link": "forged",
    "a NUL in the name": "a%00b",
    "a name of a megabyte's worth": "x" * 4000,
}.items():
    case("Report", name, lambda c, path=path: c.ask("GET", f"report/{path}", token=c.serving.desk.reports_token), 404)

for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
    case("Method", method, lambda c, method=method: c.ask(method, "api/recipe"), 405)
case(
    "Method",
    "OPTIONS of no address",
    lambda c: raw(c, b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % c.port),
    403,
)
case(
    "Body",
    "a text with half of a character",
    lambda c: c.ask("POST", "api/recipe", b'{"toml": "title = \'\\ud800\'"}', JSON),
    400,
    says="half of a character",
)
case("Method", "POST where only GET is", post("api/state", {}), 405)
case("Method", "GET where only POST is", get("api/job"), 405)
case("Protocol", "no HTTP at all", lambda c: raw(c, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 0, 400)
case(
    "Protocol",
    "a WebSocket",
    lambda c: raw(
        c,
        head(
            c,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            path="api/events2",
        ),
    ),
    404,
    426,
)
case("Protocol", "headers of 64 KB", lambda c: raw(c, head(c, "X: " + "x" * 65536)), 431)
case("Protocol", "an address of 16 KB", lambda c: c.ask("GET", "api/trace?layer=" + "x" * 16384), 414)
case(
    "Protocol",
    "a length below 0",
    lambda c: raw(c, head(c, "Content-Length: -5", method="POST", path="api/job")),
    0,
    400,
)
case(
    "Protocol",
    "two lengths",
    lambda c: raw(c, head(c, "Content-Length: 5", "Content-Length: 6", method="POST", path="api/job")),
    0,
    400,
)
case("Protocol", "1,000 connections for events", many_streams, 503)

case(
    "Body",
    "more than is taken, and says so",
    lambda c: raw(
        c, head(c, "Content-Type: application/json", "Content-Length: 99999999999", method="POST", path="api/recipe")
    ),
    413,
)
case(
    "Body",
    "more than is taken, in pieces without a length",
    lambda c: raw(
        c,
        head(c, "Content-Type: application/json", "Transfer-Encoding: chunked", method="POST", path="api/recipe"),
        *[b"100000\r\n" + b"x" * 0x100000 + b"\r\n"] * 6,
    ),
    413,
)
case(
    "Body",
    "one byte, and then nothing",
    lambda c: raw(
        c, head(c, "Content-Type: application/json", "Content-Length: 100", method="POST", path="api/job"), b"{"
    ),
    408,
)
case("Body", "a form", post("api/job", b"do=play", Content_Type="application/x-www-form-urlencoded"), 415)
case(
    "Body",
    "JSON that is called a text, as a form can send it",
    post("api/job", {"do": "play"}, Content_Type="text/plain"),
    415,
)
case("Body", "a form with files", post("api/job", b"--x", Content_Type="multipart/form-data; boundary=x"), 415)
case("Body", "no JSON", post("api/job", b"{do: play}"), 400, says="not valid JSON")
case("Body", "nothing", post("api/job", b""), 400)
case("Body", "bytes that are no UTF-8", post("api/job", b'{"do": "\xff\xfe"}'), 400)
case("Body", "a list", post("api/job", [1, 2]), 400, says="must be a JSON object")
case("Body", "lists within lists, 100,000 deep", post("api/job", b"[" * 100_000), 400, says="nested deeper")
case("Body", "a number with a million digits", post("api/look", b'{"sample": ' + b"9" * 1_000_000 + b"}"), 400)
case("Body", "a number that is none", post("api/look", b'{"sample": NaN}'), 400)
case("Body", "an unknown wish", post("api/job", {"do": "format c:"}), 400)
case("Body", "a wish that is no text", post("api/job", {"do": {"play": 1}}), 400)
case("Body", "a sample that there is not", post("api/look", {"sample": 10**9}), 400)
case("Body", "a recipe by a path", post("api/recipe", {"open": "../../../etc/passwd"}), 404)
case("Body", "an edit of nothing", post("api/recipe", {"edit": {"delete": "all"}}), 400)
case(
    "Body",
    "an edit of a key with 1,000 parts",
    post("api/recipe", {"edit": {"set": ".".join(["a"] * 1000), "text": "1"}}),
    400,
)
case(
    "Body", "an edit with a value that TOML has not", post("api/recipe", {"edit": {"set": "title", "value": None}}), 400
)
case("Body", "runs that are no list", post("api/compare", {"runs": "moons-1"}), 400)
case("Body", "runs from elsewhere", post("api/compare", {"runs": ["../../etc", "/etc"]}), 400)

case(
    "Recipe",
    "a table that was not uploaded",
    recipe('data = { source = "csv", path = "/etc/passwd", label = "x" }', DENSE),
    200,
    says="reads only what is uploaded",
)
case(
    "Recipe",
    "a folder that was not uploaded",
    recipe('data = { source = "images", path = "/etc", size = 8 }', '[[layers]]\nkind = "flatten"', DENSE),
    200,
    says="reads only what is uploaded",
)
case(
    "Recipe",
    "a test of its own that was not uploaded",
    recipe('data = { source = "table", path = "uploads/x.csv", test_path = "/etc/passwd", label = "x" }', DENSE),
    200,
    says="reads only what is uploaded",
)
case(
    "Recipe",
    "weights that were not uploaded",
    recipe('data = { source = "moons" }', 'initial = { kind = "file", path = "/etc/passwd" }', DENSE),
    200,
    says="reads only what is uploaded",
)
case(
    "Recipe",
    "a way out of the uploads",
    recipe('data = { source = "csv", path = "uploads/../../secret.csv", label = "x" }', DENSE),
    200,
    says="reads only what is uploaded",
)
case(
    "Recipe",
    "a network of 10^18 weights",
    recipe(
        'data = { source = "moons" }',
        '[[layers]]\nkind = "dense"\nunits = 1000000000',
        '[[layers]]\nkind = "dense"\nunits = 1000000000',
        DENSE,
    ),
    200,
    says="are allowed",
)

case("Table", "nothing", upload("table", b""), 400, says="is empty")
case("Table", "a picture", upload("table", png()), 400)
case("Table", "a workbook", upload("table", b"PK\x03\x04" + b"x" * 100), 400, says="workbook")
case("Table", "NULs", upload("table", b"a,b\n1,\x00\n2,3\n3,4\n"), 400, 200)
case(
    "Table",
    "300 columns",
    upload("table", b"\n".join([b",".join(b"c%d" % i for i in range(300))] + [b",".join([b"1"] * 300)] * 3)),
    400,
    says="at most 200 columns",
)
case("Table", "a form", upload("table", b"a,b\n1,2\n", Content_Type="multipart/form-data; boundary=x"), 415)
case(
    "Table",
    "a name that climbs",
    upload("table", b"a,b\n1,x\n2,y\n3,x\n", "name=../../../etc/cron.d/x"),
    200,
    says="/uploads/",
)
case(
    "Table",
    "a name of a device, and of 4,000 letters",
    upload("table", b"a,b\n1,x\n2,y\n3,x\n", "name=CON" + "x" * 4000),
    200,
    says="/uploads/",
)
case(
    "Table",
    "script in a header",
    upload("table", b"<script>alert(1)</script>,b\n1,x\n2,y\n3,x\n"),
    200,
    says="<script>alert(1)</script>",
)

case("Archive", "no archive", upload("zip", b"PK no"), 400, says="no zip archive")
case(
    "Archive",
    "a bomb: a gigabyte of zeros in one",
    upload("zip", archive(("a/0.png", bytes(200 << 20), PLAIN))),
    400,
    says="unpacks to",
)
case("Archive", "packed bytes that are damaged", upload("zip", damaged()), 400, says="no zip archive that can be read")
case("Archive", "a size that its header understates", upload("zip", archive(*SOUND)[:-40] + b"\0" * 40), 400)
case(
    "Archive",
    "an archive within",
    upload("zip", archive(*SOUND, ("a/x.png", archive(*SOUND), PLAIN))),
    400,
    says="called an image and is none",
)
case(
    "Archive",
    "a link",
    upload("zip", archive(*SOUND, ("a/link.png", b"/etc/passwd", stat.S_IFLNK | 0o777))),
    400,
    says="is a link or a device",
)
case(
    "Archive",
    "a device",
    upload("zip", archive(*SOUND, ("a/null.png", b"", stat.S_IFCHR | 0o666))),
    400,
    says="is a link or a device",
)
case(
    "Archive",
    "a path that climbs",
    upload("zip", archive(*SOUND, ("../../x/evil.png", png(), PLAIN))),
    400,
    says="no name of a class",
)
case(
    "Archive",
    "a path that climbs by backslashes",
    upload("zip", archive(*SOUND, ("..\\..\\x\\evil.png", png(), PLAIN))),
    400,
    says="no name of a class",
)
case("Archive", "encrypted members", upload("zip", encrypted()), 400, says="encrypted")
case("Archive", "one class alone", upload("zip", archive(*SOUND[:3])), 400, says="one folder a class")
case(
    "Archive",
    "HTML called an image",
    upload("zip", archive(*SOUND, ("a/x.png", HTML, PLAIN))),
    400,
    says="called an image and is none",
)
case(
    "Archive",
    "SVG called an image",
    upload("zip", archive(*SOUND, ("a/x.jpg", SVG, PLAIN))),
    400,
    says="called an image and is none",
)
case(
    "Archive",
    "SVG and HTML under their own names",
    upload("zip", archive(*SOUND, ("a/x.svg", SVG, PLAIN), ("a/y.html", HTML, PLAIN))),
    200,
    says='"skipped":2',
)
case(
    "Archive",
    "script as the name of a class",
    upload("zip", archive(*SOUND, ("<img onerror=alert(1)>/0.png", png(), PLAIN))),
    200,
    says="<img onerror=alert(1)>",
)
case("Image", "a path that climbs", image_of("..%2f..%2fevil%2fx.png", png()), 400, says="no name of a class")
case("Image", "HTML called an image", image_of("a%2fx.png", HTML), 400, says="called an image and is none")
case("Image", "in no folder of a class", image_of("x.png", png()), 400, says="no folder of a class")
case(
    "Image",
    "of an upload that was never begun",
    lambda c: c.ask("POST", "api/upload/image?folder=x&path=a/b.png", png(), BYTES),
    400,
    says="no such upload",
)


def told(status: tuple[int, ...], says: str) -> str:
    """A cell of the table in docs/safety.md."""
    words = {0: "closed", 200: "plain text"}
    refused = " or ".join(words.get(code, str(code)) for code in status)
    return f"{refused}: {says}" if says and status != (200,) else refused


def table() -> str:
    """The table in docs/safety.md: `python tests/hostile.py` prints it."""
    rows = [f"| {kind} | {what} | {told(status, says)} |" for kind, what, _, status, says in CASES]
    return "\n".join(["| what of it | is hostile | comes to |", "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    print(table())

"""Requests that two servers could read differently, as raw bytes.

Each is `(name, raw, verdict)`: a status with which it must be refused, or the body under which it must be served as exactly
one request. The first part are the classes of the published baseline for aiohttp's parsers, the second our own.
"""

CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
_GET = b"GET /v1/models HTTP/1.1\r\n"
_H = b"Host: localhost\r\n"


def _cl(value: bytes) -> bytes:
    return CHAT + b"Content-Length: " + value + b"\r\n\r\nabcd"


def _te(value: bytes, body: bytes = b"4\r\nabcd\r\n0\r\n\r\n") -> bytes:
    return CHAT + b"Transfer-Encoding: " + value + b"\r\n\r\n" + body


def _chunks(body: bytes) -> bytes:
    return _te(b"chunked", body)


def _header(line: bytes) -> bytes:
    return CHAT + line + b"\r\nContent-Length: 4\r\n\r\nabcd"


def _host(line: bytes) -> bytes:
    return _GET + line + b"\r\n"


def _line(line: bytes) -> bytes:
    return line + b"\r\n" + _H + b"\r\n"


Payload = tuple[str, bytes, int | bytes]

BASELINE: list[Payload] = [
    ("length-then-chunked", CHAT + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked-then-length", CHAT + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
    ("length-twice-different", CHAT + b"Content-Length: 4\r\nContent-Length: 0\r\n\r\nabcd", 400),
    ("length-twice-equal", CHAT + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400),
    ("length-list", _cl(b"4, 4"), 400),
    ("length-list-different", _cl(b"4,0"), 400),
    ("length-plus", _cl(b"+4"), 400),
    ("length-minus", _cl(b"-4"), 400),
    ("length-hex", _cl(b"0x4"), 400),
    ("length-underscore", _cl(b"0_4"), 400),
    ("length-non-ascii-digits", _cl("٤".encode()), 400),
    ("coding-xchunked", _te(b"xchunked"), 400),
    ("coding-chunked-identity", _te(b"chunked, identity"), 400),
    ("coding-chunked-twice", _te(b"chunked, chunked"), 400),
    ("coding-header-twice", CHAT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    ("space-before-colon", CHAT + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("bare-lf-in-headers", CHAT + b"X: y\nContent-Length: 4\r\n\r\nabcd", 400),
    ("bare-lf-everywhere", b"POST /v1/chat/completions HTTP/1.1\nHost: localhost\nContent-Length: 4\n\nabcd", 400),
    ("bare-cr-in-value", _header(b"X: y\rContent-Length: 0"), 400),
    ("folded-line", _header(b"X: y\r\n Content-Length: 0"), 400),
    ("folded-coding", CHAT + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    ("nul-in-value", _header(b"X: a\x00b"), 400),
    ("nul-in-name", _header(b"X\x00: a"), 400),
    ("no-host", _GET + b"\r\n", 400),
    ("two-hosts", _host(b"Host: localhost\r\nHost: evil.test\r\n"), 400),
    ("chunk-size-not-hex", _chunks(b"zz\r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk-size-0x", _chunks(b"0x4\r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk-size-overflow", _chunks(b"10000000000000004\r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk-extension-bare-lf", _chunks(b"4;a\nabcd\r\n0\r\n\r\n"), 400),
    ("name-with-parenthesis", _header(b"X(y): z"), 400),
    ("name-empty", _header(b": z"), 400),
    ("129-headers", CHAT + b"".join(b"X-%d: y\r\n" % number for number in range(140)) + b"\r\n", 431),
    ("field-over-8190", _header(b"X: " + b"y" * 9000), 431),
    ("1.0-chunked", b"POST /v1/chat/completions HTTP/1.0\r\n" + _H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("version-2.0", _line(b"GET /v1/models HTTP/2.0"), 505),
    ("version-0.9", _line(b"GET /v1/models HTTP/0.9"), 505),
    ("host-with-path", _host(b"Host: a?/admin#\r\n"), 400),
    ("absolute-form", b"GET http://evil.test/v1/models HTTP/1.1\r\n" + _H + b"\r\n", 400),
    ("underscore-name", CHAT + b"Content_Length: 0\r\nContent-Length: 4\r\n\r\nabcd", 400),
    ("get-with-length", _GET + _H + b"Content-Length: 4\r\n\r\nabcd", 400),
    ("get-with-chunks", _GET + _H + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", 400),
]

OURS: list[Payload] = [
    ("head-with-body", b"HEAD /v1/models HTTP/1.1\r\n" + _H + b"Content-Length: 4\r\n\r\nabcd", 400),
    ("get-length-2^64-1", _GET + _H + b"Content-Length: 18446744073709551615\r\n\r\n", 400),
    ("length-2^64-1", _cl(b"18446744073709551615"), 400),
    ("length-2^64+4", _cl(b"18446744073709551620"), 400),
    ("length-empty", _cl(b""), 400),
    ("length-space-inside", _cl(b"4 4"), 400),
    ("length-exponent", _cl(b"4e0"), 400),
    ("length-decimal", _cl(b"4.0"), 400),
    ("length-vertical-tab", _cl(b"\x0b4"), 400),
    ("length-and-empty-coding", CHAT + b"Content-Length: 4\r\nTransfer-Encoding:\r\n\r\nabcd", 400),
    ("coding-empty", _te(b"", b""), 400),
    ("coding-identity", _te(b"identity", b""), 400),
    ("coding-gzip-chunked", _te(b"gzip, chunked"), 400),
    ("coding-quoted", _te(b'"chunked"'), 400),
    ("coding-tab", _te(b"\x0bchunked"), 400),
    ("coding-semicolon", _te(b"chunked;q=1"), 400),
    ("coding-comma", _te(b",chunked"), 400),
    ("coding-comma-after", _te(b"chunked,"), 400),
    ("coding-long-s", _te("chunKed".replace("K", "\u212a").encode()), 400),
    ("coding-name-underscore", CHAT + b"Transfer_Encoding: chunked\r\nContent-Length: 4\r\n\r\nabcd", 400),
    ("coding-name-tab", CHAT + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunk-size-minus", _chunks(b"-4\r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk-size-plus", _chunks(b"+4\r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk-size-space-before", _chunks(b" 4\r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk-size-space-after", _chunks(b"4 \r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk-size-empty", _chunks(b"\r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk-size-underscore", _chunks(b"0_4\r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk-bare-lf", _chunks(b"4\nabcd\n0\n\n"), 400),
    ("chunk-longer-than-said", _chunks(b"4\r\nabcdef\r\n0\r\n\r\n"), 400),
    ("chunk-shorter-than-said", _chunks(b"4\r\nab\r\n0\r\n\r\n"), 400),
    ("chunk-end-bare-lf", _chunks(b"4\r\nabcd\n0\r\n\r\n"), 400),
    ("trailer-folded", _chunks(b"4\r\nabcd\r\n0\r\nX: y\r\n z\r\n\r\n"), 400),
    ("trailer-bad-name", _chunks(b"4\r\nabcd\r\n0\r\nX y: z\r\n\r\n"), 400),
    ("version-1.2", _line(b"GET /v1/models HTTP/1.2"), 400),
    ("version-missing", _line(b"GET /v1/models"), 505),
    ("version-lower-case", _line(b"GET /v1/models http/1.1"), 400),
    ("version-space-after", _line(b"GET /v1/models HTTP/1.1 "), 400),
    ("version-two-digits", _line(b"GET /v1/models HTTP/1.10"), 400),
    ("http2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("method-lower-case", _line(b"get /v1/models HTTP/1.1"), 400),
    ("method-unknown", _line(b"BREW /v1/models HTTP/1.1"), 400),
    ("connect", b"CONNECT evil.test:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ("asterisk", _line(b"OPTIONS * HTTP/1.1"), 400),
    ("target-fragment", _line(b"GET /v1/models#x HTTP/1.1"), 400),
    ("target-space", _line(b"GET /v1/models /x HTTP/1.1"), 400),
    ("target-non-ascii", _line("GET /v1/modéls HTTP/1.1".encode()), 400),
    ("target-delete", _line(b"GET /v1/models\x7f HTTP/1.1"), 400),
    ("target-relative", _line(b"GET v1/models HTTP/1.1"), 400),
    ("target-https", _line(b"GET https://localhost/v1/models HTTP/1.1"), 400),
    ("header-first-line-space", b"GET /v1/models HTTP/1.1\r\n Host: localhost\r\n\r\n", 400),
    ("header-no-colon", _header(b"Xyz"), 400),
    ("header-escape", _header(b"X: \x1b[2J"), 400),
    ("header-delete", _header(b"X: \x7f"), 400),
    ("header-not-utf8", _header(b"X: \xff\xfe"), 400),
    ("name-non-ascii", _header("X-Ä: y".encode()), 400),
    ("host-empty", _host(b"Host:\r\n"), 400),
    ("host-user", _host(b"Host: localhost@evil.test\r\n"), 400),
    ("host-space", _host(b"Host: localhost evil.test\r\n"), 400),
    ("host-slash", _host(b"Host: localhost/x\r\n"), 400),
    ("host-comma", _host(b"Host: localhost,evil.test\r\n"), 400),
    ("host-percent", _host(b"Host: local%68ost\r\n"), 400),
    ("host-port-text", _host(b"Host: localhost:http\r\n"), 400),
    ("host-long", _host(b"Host: " + b"a" * 300 + b"\r\n"), 400),
    ("1.0-no-host", b"GET /v1/models HTTP/1.0\r\n\r\n", 400),
    ("websocket", _GET + _H + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
    ("request-line-over-8190", _line(b"GET /" + b"a" * 9000 + b" HTTP/1.1"), 431),
    ("single-chunk-size-zeros", _chunks(b"0004\r\nabcd\r\n0\r\n\r\n"), b"abcd"),
    ("single-chunk-extension", _chunks(b'4;a=b;c="d"\r\nabcd\r\n0\r\n\r\n'), b"abcd"),
    ("single-coding-upper-case", _te(b"CHUNKED"), b"abcd"),
    ("single-length-zeros", _cl(b"0004"), b"abcd"),
    ("single-length-padded", _cl(b"4 \t"), b"abcd"),
    ("single-leading-blank-lines", b"\r\n\r\n" + _cl(b"4"), b"abcd"),
    ("single-trailer", _chunks(b"4\r\nabcd\r\n0\r\nAuthorization: Bearer other\r\n\r\n"), b"abcd"),
    ("single-h2c-offer", CHAT + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nabcd", b"abcd"),
]

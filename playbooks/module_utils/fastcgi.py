"""One request straight to PHP-FPM, for a site whose vhost is closed or does not exist yet."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HEADER = struct.Struct("!BBHHBx")
_VERSION, _REQUEST_ID = 1, 1
_BEGIN, _END, _PARAMS, _STDIN, _STDOUT, _STDERR = 1, 3, 4, 5, 6, 7
_RESPONDER = struct.pack("!HB5x", 1, 0)
_LONG = 0x80000000
_MOST = 65535


@dataclass(frozen=True)
class Response:
    """What PHP answered; `errors` is what it wrote to standard error."""

    status: int
    headers: dict[str, str]
    body: str
    errors: str


def get(
    listener: str, *, view: str, path: str, host: str, seconds: float, script: str = "index.php"
) -> Response:
    """Ask `script` in the folder `view` for `path`; raises OSError or TimeoutError."""
    variables = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_METHOD": "GET",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_URI": path,
        "SCRIPT_NAME": f"/{script}",
        "PATH_INFO": path.removeprefix(f"/{script}"),
        "QUERY_STRING": "",
        "SCRIPT_FILENAME": f"{view}/{script}",
        "DOCUMENT_ROOT": view,
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": host,
        "SERVER_PORT": "80",
        "HTTP_HOST": host,
        "HTTP_USER_AGENT": "siappakai",
        "REDIRECT_STATUS": "200",
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(listener)
        connection.sendall(request(variables))
        output, errors = _answer(connection)
    return parse(output, errors)


def request(variables: Mapping[str, str]) -> bytes:
    """Return the bytes of a request without a body."""
    pairs = b"".join(_pair(name.encode(), value.encode()) for name, value in variables.items())
    return b"".join(
        (
            _record(_BEGIN, _RESPONDER),
            _record(_PARAMS, pairs),
            _record(_PARAMS, b""),
            _record(_STDIN, b""),
        )
    )


def parse(output: bytes, errors: bytes = b"") -> Response:
    """Split CGI output; without a Status header the status is 200."""
    head, _, body = output.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    status = headers.get("status", "200").split(" ", 1)[0]
    return Response(
        int(status) if status.isdigit() else 500,
        headers,
        body.decode(errors="replace"),
        errors.decode(errors="replace"),
    )


def _answer(connection: socket.socket) -> tuple[bytes, bytes]:
    streams: dict[int, list[bytes]] = {_STDOUT: [], _STDERR: []}
    for kind, content in _records(connection):
        if kind in streams:
            streams[kind].append(content)
        elif kind == _END:
            break
    return b"".join(streams[_STDOUT]), b"".join(streams[_STDERR])


def _records(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    while True:
        _, kind, _, length, padding = _HEADER.unpack(_exactly(connection, _HEADER.size))
        content = _exactly(connection, length)
        _exactly(connection, padding)
        yield kind, content


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError("PHP-FPM closed the connection in the middle of its answer")
        parts += part
    return bytes(parts)


def _record(kind: int, content: bytes) -> bytes:
    if len(content) > _MOST:
        raise ValueError("a FastCGI record holds at most 65,535 bytes")
    return _HEADER.pack(_VERSION, kind, _REQUEST_ID, len(content), 0) + content


def _pair(name: bytes, value: bytes) -> bytes:
    return _size(len(name)) + _size(len(value)) + name + value


def _size(length: int) -> bytes:
    return bytes([length]) if length < 128 else struct.pack("!I", length | _LONG)  # noqa: PLR2004 - one byte holds less than this

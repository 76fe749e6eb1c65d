"""The parts that need no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from warren import Conflict, ConnectionLost, NotFound, QuotaExceeded, RateLimited, Warren, WarrenError
from warren._local import server
from warren._retry import LONGEST, Attempts
from warren._sse import EVENT_BYTES_MAX, Decoder, Sent
from warren._values import file_path, frame, given, moment, octets, segment, span, unframed
from warren.errors import problem

STREAM = (
    b': hello\r\n\r\nid: 1.1\nevent: a\ndata: {"x":\ndata: 1}\n\n'
    b"data:no space\r\rid: 9\n\n\nid: 1.2\ndata: \xc3\xbc\n\n"
)
EVENTS = [Sent("1.1", "a", '{"x":\n1}'), Sent(None, "message", "no space"), Sent("1.2", "message", "ü")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_they_are_cut(size: int) -> None:
    decoder = Decoder()
    parts = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [event for part in parts for event in decoder.feed(part)] == EVENTS


def test_an_event_without_end_is_refused() -> None:
    decoder = Decoder()
    with pytest.raises(WarrenError, match="more than"):
        for _ in range(EVENT_BYTES_MAX // 65536 + 1):
            decoder.feed(b"x" * 65536)
    decoder = Decoder()
    with pytest.raises(WarrenError, match="more than"):
        for _ in range(EVENT_BYTES_MAX // 65536 + 1):
            decoder.feed(b"data: " + b"x" * 65536 + b"\n")


def refusal(status: int, code: str = "some", **headers: str) -> WarrenError:
    return problem(
        status, {"code": code, "detail": "no"}, {name.replace("_", "-"): text for name, text in headers.items()}
    )


def test_refusals_that_pass_are_waited_for() -> None:
    attempts = Attempts(60.0, "never")
    assert attempts.refused(refusal(429, retry_after="2")) >= 2.0
    assert 0 < attempts.refused(refusal(503)) < LONGEST
    assert attempts.refused(refusal(409, "key_running", retry_after="1")) >= 1.0
    for final in (refusal(404), refusal(429), refusal(409), refusal(500), refusal(503, "audit_unavailable")):
        with pytest.raises(WarrenError) as raised:
            attempts.refused(final)
        assert raised.value is final
    # What has a key may follow even what was perhaps done.
    assert Attempts(60.0, "key").refused(refusal(503, "audit_unavailable")) > 0


def test_patience_ends() -> None:
    attempts = Attempts(0.0, "again")
    with pytest.raises(ConnectionLost):
        attempts.broken(OSError("gone"))
    with pytest.raises(RateLimited):
        Attempts(1.0).refused(refusal(429, retry_after="3600"))
    attempts = Attempts(3600.0)
    waits = [attempts.broken(OSError("gone")) for _ in range(20)]
    assert waits[0] < waits[3] and max(waits) <= LONGEST * 1.25


def test_what_may_not_be_done_twice_is_not() -> None:
    with pytest.raises(ConnectionLost) as lost:
        Attempts(60.0, "never").broken(OSError("gone"))
    assert lost.value.hint and isinstance(lost.value.__cause__, OSError)
    assert Attempts(60.0, "never").broken(OSError("refused"), sent=False) > 0


def test_errors_have_what_was_said() -> None:
    body = {"code": "quota_exceeded", "detail": "full", "hint": "less", "quota": "sessions", "limit": 3, "used": 3}
    error = problem(429, body, {"x-request-id": "r1"})
    assert isinstance(error, QuotaExceeded) and (error.quota, error.limit, error.used) == ("sessions", 3, 3)
    assert (error.request_id, error.hint, str(error)) == ("r1", "less", "full (less) [quota_exceeded]")
    assert isinstance(problem(410, {"code": "session_deleted"}, {}), NotFound)
    assert isinstance(problem(412, {"code": "file_exists"}, {}), Conflict)
    # A page of something in between is no problem of the server's.
    assert problem(502, "<html>", {}).code == "bad_answer"
    assert problem(404, {"message": "no"}, {"retry-after": "soon"}).retry_after is None


def test_small_values() -> None:
    assert [span(1.5), span(timedelta(minutes=2)), span("1h 30m"), span(0)] == ["1500ms", "120000ms", "1h 30m", "0ms"]
    assert moment(datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-01T23:00:00Z"
    with pytest.raises(ValueError, match="zone"):
        moment(datetime(2026, 1, 2))
    assert given(a=1, b=None, from_=0) == {"a": 1, "from": 0}
    assert octets({"stdout": "ü"}, "stdout") == "ü".encode() and octets({"stdout_base64": "/w=="}, "stdout") == b"\xff"
    assert octets({}, "stdout") == b""
    assert file_path("/a b/../%41/ü") == "/a%20b/%2E%2E/%2541/%C3%BC"
    assert segment("a/b") == "a%2Fb"
    assert unframed(frame(1, b"abc")) == (1, 0, b"abc")
    with pytest.raises(WarrenError):
        unframed(b"12345678")


def folder(path: Path, url: str) -> None:
    path.mkdir(parents=True)
    (path / "server.lock").write_text(f"process 1 at {url}\n")
    (path / "client.key").write_text("wrn_own\n")


def test_the_server_and_key_are_found_as_the_command_finds_them(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert server("http://a:1/", "k", home) == ("http://a:1", "k")
    assert server(None, None, home | {"WARREN_URL": "https://a", "WARREN_KEY": "k"}) == ("https://a", "k")
    folder(tmp_path / ".local/state/warren", "http://127.0.0.1:7717")
    assert server(None, None, home) == ("http://127.0.0.1:7717", "wrn_own")
    assert server("http://localhost:7717", None, home) == ("http://localhost:7717", "wrn_own")
    # Whoever listens elsewhere is not shown it.
    for elsewhere in ("http://127.0.0.1:7718", "http://example.com:7717", "https://127.0.0.1:7717"):
        with pytest.raises(ValueError, match="no key"):
            server(elsewhere, None, home)
    with pytest.raises(ValueError, match="no URL"):
        server("127.0.0.1:7717", "k", home)
    # A configuration file says otherwise.
    other = tmp_path / "other"
    folder(other, "http://127.0.0.1:9000")
    (tmp_path / "config.toml").write_text(f'[server]\nlisten = "127.0.0.1:9000"\n[data]\ndir = "{other}"\n')
    named = home | {"WARREN_CONFIG": str(tmp_path / "config.toml")}
    assert server(None, None, named) == ("http://127.0.0.1:9000", "wrn_own")


class FullOfKeys(BaseHTTPRequestHandler):
    """Answers as a server that remembers no more keys; a real one does so after 100,000 of them."""

    seen: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        key = self.headers["Idempotency-Key"]
        self.seen.append(key)
        status, answer = (200, {"state": "active"}) if key is None else (429, {"code": "request_keys_full"})
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "3600")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_what_comes_after_the_last_key_goes_without_one() -> None:
    with HTTPServer(("127.0.0.1", 0), FullOfKeys) as full:
        threading.Thread(target=full.serve_forever, daemon=True).start()
        with Warren(f"http://127.0.0.1:{full.server_port}", "k", patience=60) as warren:
            warren.sessions.at("a").rollback(1)
            assert [key is None for key in FullOfKeys.seen] == [False, True]
            # A key of one's own is not given up.
            with pytest.raises(RateLimited):
                warren.sessions.at("a").rollback(1, idempotency_key="mine")
            assert FullOfKeys.seen[2:] == ["mine"]
        full.shutdown()


def test_the_types_hold() -> None:
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", os.devnull], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr

#!/usr/bin/env python3
"""Whether a server does what its OpenAPI document says: schemathesis over all of it, for ten minutes.

    python3 loadtest/schemathesis/run.py [--quick] [--time SECONDS] [--seed N] [--warren BINARY] [--report FOLDER]

A server of its own is started, with a fresh data folder. The document is the one that server sends; what is added to it is
said at ``seeded``. Sessions, files, terminals, commands, checkpoints, keys and tenants of known names are made beforehand,
and made again when a test deleted them, so that requests find something. The exit status is 0 when nothing was found.

Schemathesis is installed from ``requirements.txt`` beside this, with hashes, into a folder of its own under
``~/.cache/warren``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"

#: What there is to be found, by the name of the path's variable.
SEEDS: dict[str, list[Any]] = {
    "session": ["one", "two"],
    "terminal": ["main"],
    "exec": [1, 2],
    "pid": [1, 2],
    "path": ["home/agent/notes", "home/agent", "tmp", "etc/passwd", "home/agent/new"],
    "tenant": ["acme"],
    "key": [],
}

#: What is said of single checks and operations, and why.
CONFIGURATION = """
# These can be said of what is valid, too: the state of things, and not the request, is in the way.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "410", "412", "416", "429", "507"]

# A session that was deleted is gone, whatever else is wrong with a request for it.
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "410", "412", "413", "415", "416", "422", "426", "429"]

# 507 is said of a limit or quota that the request itself, or one before it, has used up.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "507"]

# These are WebSockets: a plain GET, which is all that is sent, is answered 426.
[[operations]]
include-operation-id-regex = "^(attach_exec|terminals_attach)$"
checks.positive_data_acceptance.enabled = false

# What no schema says: names that the configuration has, the order of two times, how long a token or a grace may be at
# most, which members of a query belong to which of two changes, that the first word of a command is not empty, what one
# operation of a batch leaves for the next. What a schema does say by `oneOf` and `not` beside its members, "either
# `command` or `argv`", schemathesis leaves out of account in some of its phases.
[[operations]]
include-operation-id-regex = "^(sessions_create|sessions_change|files_batch|usage_get|keys_create|keys_rotate|tokens_create|files_change|execs_exec|terminals_open)$"
checks.positive_data_acceptance.enabled = false

# Beside what the pattern of `Last-Event-ID` allows, "0" is sent in it as the least a header can be.
[[operations]]
include-operation-id = "events_events"
checks.positive_data_acceptance.enabled = false

# What is not found after a rollback is the checkpoint it names, after a batch a file, and not what was made before.
[[operations]]
include-operation-id-regex = "^(checkpoints_rollback|files_batch)$"
checks.ensure_resource_availability.enabled = false

# The document says that there are bytes, and not that they are an archive; templates are the configuration's.
[[operations]]
include-operation-id = "archive_import"
checks.negative_data_rejection.enabled = false
checks.positive_data_acceptance.enabled = false

# Keys and tenants that were ended are still shown, as ended: that is what their DELETE is documented to do.
[[operations]]
include-operation-id-regex = "^(keys|tenants)_"
checks.use_after_free.enabled = false

# A stream of events is documented as text; what is checked against that is each event, read already.
[[operations]]
include-operation-id-regex = "^(events_events|execs_exec)$"
checks.response_schema_conformance.enabled = false
"""


def main() -> int:
    """Runs it; the exit status of schemathesis."""
    if sys.version_info < (3, 11):
        raise SystemExit("schemathesis needs Python 3.11 or newer")
    arguments = parsed()
    programs = environment()
    with tempfile.TemporaryDirectory(prefix="warren-schemathesis-") as folder:
        server = Server(arguments.warren, Path(folder))
        try:
            server.seed()
            threading.Thread(target=server.seed_on, daemon=True).start()
            (Path(folder) / "openapi.json").write_text(json.dumps(seeded(server.get("/v1/openapi.json"))), "utf-8")
            (Path(folder) / "schemathesis.toml").write_text(CONFIGURATION, "utf-8")
            return run(programs, server, Path(folder), arguments)
        finally:
            alive = server.stop()
            print("the server was alive to the end" if alive else "THE SERVER DIED")
            if not alive:
                sys.exit(1)


def parsed() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one minute")
    parser.add_argument("--time", type=int, metavar="SECONDS", help="ten minutes unless said otherwise")
    parser.add_argument("--seed", type=int, help="the seed that a run printed, for the same requests")
    parser.add_argument("--warren", default=os.environ.get("WARREN_BIN", "warren"), help="the binary ($WARREN_BIN)")
    parser.add_argument("--report", type=Path, help="a folder for all requests and answers")
    parser.add_argument("--only", metavar="REGEX", help="only operations whose id matches")
    arguments = parser.parse_args()
    arguments.time = arguments.time or (60 if arguments.quick else 600)
    return arguments


def environment() -> Path:
    """The programs of a folder with schemathesis in it, made if it is not there."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = Path.home() / ".cache/warren" / f"schemathesis-{wanted}"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(REQUIREMENTS)], check=True)
        (folder / "whole").touch()
    return folder / "bin"


def run(programs: Path, server: Server, folder: Path, arguments: argparse.Namespace) -> int:
    """Schemathesis over the document, in a process of its own."""
    command = [
        *(str(programs / "schemathesis"), "--config-file", str(folder / "schemathesis.toml")),
        *("run", str(folder / "openapi.json"), "--url", server.url),
        *("--header", f"Authorization: Bearer {server.key}"),
        *("--max-time", str(arguments.time), "--workers", "1", "--continue-on-failure"),
        *("--request-timeout", "20", "--generation-database", "none", "--no-color"),
        # What has no end is not waited for: gateway/tests/batches.rs is about it.
        *("--exclude-operation-id", "files_watch"),
        *("--suppress-health-check", "all", "--output-truncate", "false"),
    ]
    if arguments.seed is not None:
        command += ["--seed", str(arguments.seed)]
    if arguments.only is not None:
        command += ["--include-operation-id-regex", arguments.only]
    if arguments.report is not None:
        command += ["--report", "ndjson,json", "--report-dir", str(arguments.report)]
    variables = os.environ | {"SCHEMATHESIS_HOOKS": "warren_hooks", "PYTHONPATH": str(HERE), "OWN_KEY": server.key}
    return subprocess.run(command, cwd=folder, env=variables).returncode


def seeded(document: dict[str, Any]) -> dict[str, Any]:
    """The document, with values for variables of paths that are there, in place of some of those that are not."""
    for path in document["paths"].values():
        for operation in path.values():
            parameters = operation.get("parameters", [])
            # A key comes again with another request, sooner or later, and is refused: gateway/tests/once.rs is about it.
            operation["parameters"] = [one for one in parameters if one["name"] != "Idempotency-Key"]
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    known = [{"enum": SEEDS[parameter["name"]]}] if SEEDS[parameter["name"]] else []
                    # Three of four hit what is there.
                    parameter["schema"] = {"anyOf": [*known * 3, parameter["schema"]]}
    return document


class Server:
    """A server with a data folder of its own, and what is in it."""

    def __init__(self, binary: str, folder: Path) -> None:
        # Rates would be all that most requests meet.
        rates = ("REFUSALS_PER_ADDRESS", "REQUESTS_PER_ADDRESS", "REQUESTS_PER_KEY")
        variables = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
        variables |= {"XDG_CONFIG_HOME": str(folder), "WARREN_LOG__LEVEL": "warn"}
        variables |= {f"WARREN_SERVER__{rate}": "100000" for rate in rates}
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--dir", str(folder / "data")]
        self._child = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
        line = self._child.stdout.readline()
        self.url = next((word.rstrip(",") for word in line.split() if word.startswith("http://")), "")
        if not self.url:
            raise SystemExit(f"the server does not say where it is: {line!r}")
        self.key = (folder / "data/client.key").read_text().strip()

    def stop(self) -> bool:
        """Ends it; whether it was there until now."""
        alive = self._child.poll() is None
        self._child.terminate()
        self._child.wait(60)
        return alive

    def seed(self) -> None:
        """Makes what is to be found, where it is not there."""
        for name in SEEDS["session"]:
            at = f"/v1/sessions/{name}"
            if self.post("/v1/sessions", {"name": name, "idle_timeout": "never"}) == 201:
                self.post(f"{at}/exec", {"command": "echo hi; echo oops >&2"})
                self.post(f"{at}/exec", {"command": "cat", "stdin": "open", "detach": True})
                self.post(f"{at}/checkpoint", {"name": "first"})
            self.post(f"{at}/terminals", {"name": "main"})
            self.send("PUT", f"{at}/files/home/agent/notes", b"some notes\n", "application/octet-stream")
        self.post("/v1/tenants", {"id": "acme"})
        keys = [key["id"] for key in self.get("/v1/keys")["items"] if key["name"] == "seed" and key["state"] == "active"]
        if not SEEDS["key"]:
            for _ in range(2):
                self.post("/v1/keys", {"name": "seed", "role": "viewer"})
            SEEDS["key"] += [key["id"] for key in self.get("/v1/keys")["items"] if key["name"] == "seed"] or keys

    def seed_on(self) -> None:
        """Makes again what a test deleted."""
        while self._child.poll() is None:
            time.sleep(2)
            try:
                self.seed()
            except OSError:
                pass

    def get(self, path: str) -> Any:
        """The JSON that is there."""
        with urllib.request.urlopen(self._request("GET", path), timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any) -> int:
        """The status."""
        return self.send("POST", path, json.dumps(body).encode(), "application/json")

    def send(self, method: str, path: str, body: bytes, media: str) -> int:
        """The status of a request, whatever it is."""
        request = self._request(method, path)
        request.data = body
        request.add_header("Content-Type", media)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    def _request(self, method: str, path: str) -> urllib.request.Request:
        return urllib.request.Request(self.url + path, method=method, headers={"Authorization": f"Bearer {self.key}"})


if __name__ == "__main__":
    sys.exit(main())

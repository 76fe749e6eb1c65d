"""A server of the binary that ``WARREN_BIN`` names, and a way to it that can be cut."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


def end_with_this() -> None:
    """Lets a server end with this process, also where that is killed: PR_SET_PDEATHSIG, SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Server:
    """A server with a data folder of its own, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._listen = folder, "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        """Starts it, at the address it had before if it had one."""
        # Nothing of this machine's configuration.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
        environment |= {"XDG_CONFIG_HOME": str(self.folder), "WARREN_LOG__LEVEL": "warn"}
        command = [os.environ["WARREN_BIN"], "serve", "--listen", self._listen, "--dir", str(self.folder)]
        self._child = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=end_with_this
        )
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        self.url = next((word.rstrip(",") for word in line.split() if word.startswith("http://")), "")
        assert self.url, f"the server does not say where it is: {line!r}"
        self._listen = self.url.removeprefix("http://")
        self.key = (self.folder / "client.key").read_text().strip()

    def kill(self) -> None:
        """Ends it as a power switch would."""
        self._child.kill()
        self._child.wait()

    def restart(self) -> None:
        """Kills it and starts it again on what it kept."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """Asks it to end."""
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(60)
        finally:
            self.kill()


class Way:
    """A TCP way to a server, whose connections can be cut."""

    def __init__(self, server: Server) -> None:
        self._to = server.url.removeprefix("http://").rsplit(":", 1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        #: Answers to hold back: when the next one begins to come, its connection is cut in its place.
        self.answers_cut = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cuts all connections there are."""
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Takes it away."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._to[0], int(self._to[1])))
                with self._lock:
                    self._open |= {client, server}
                threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                with self._lock:
                    if answers and self.answers_cut > 0:
                        self.answers_cut -= 1
                        break
                to.sendall(part)
        for end in (source, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with self._lock:
                self._open.discard(end)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of all tests that leave it alive."""
    made = Server(tmp_path_factory.mktemp("server"))
    yield made
    made.stop()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A server of one test, which kills it."""
    made = Server(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def way(server: Server) -> Iterator[Way]:
    """A way to the server that can be cut."""
    made = Way(server)
    yield made
    made.close()


@pytest.fixture
def anyio_backend() -> str:
    """What asynchronous tests run on."""
    return "asyncio"

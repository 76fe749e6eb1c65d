"""A terminal over a WebSocket that is made again when it breaks.

What the terminal showed is a stream with offsets, so a new connection goes on where the old one broke. What is no
longer kept comes as a screen: bytes that make an empty terminal look the same.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from websockets.exceptions import ConnectionClosed

from .. import _tasks as tasks
from .._retry import Attempts
from .._values import FRAME_BYTES_MAX, INPUT, OUTPUT, SCREEN, frame, segment, unframed
from ..errors import Conflict, ConnectionLost, WarrenError, problem
from ..results import Exit
from .transport import AsyncTransport

if TYPE_CHECKING:
    from .. import models

#: What makes a terminal empty (RIS), in front of a screen that takes the place of what was shown before.
RESET = b"\x1bc"
#: Bytes of a screen, at most; a server's has half a mebibyte.
SCREEN_BYTES_MAX = 16 * 1024 * 1024
#: Codes a server closes with when there is nothing to come back for: all was said; it will not have this client.
FINAL = (1000, 1008, 1009)


@dataclass
class Coming:
    """A screen of which not all has come."""

    bytes: int
    offset: int
    have: bytearray


class AsyncTerminal:
    """A terminal of a session: ``data`` is what it shows, and ``write`` types. Made by ``session.terminal``.

    One reader iterates at a time; writing and resizing may go on beside it. :meth:`detach` stops looking at it, and
    the terminal goes on; :meth:`hang_up` ends it.
    """

    def __init__(
        self, transport: AsyncTransport, session: str, info: models.Terminal, view: bool, offset: int | None
    ) -> None:
        self._transport, self._view = transport, view
        #: Its name in its session.
        self.name: str = info["terminal"]
        #: Its size, which the last to resize it says, for everybody.
        self.rows: int = info["rows"]
        #: Its size, as ``rows``.
        self.columns: int = info["columns"]
        #: The number of the command on it.
        self.exec: int | None = info["exec"]
        #: Bytes of its stream that were given so far; ``None`` before the first screen.
        self.offset = offset
        #: How its command ended, once it has.
        self.exit: Exit | None = None
        self._path = f"{session}/terminals/{segment(self.name)}"
        self._lock = tasks.Lock()
        self._socket: tasks.Socket | None = None
        self._coming: Coming | None = None
        self._shown = offset == 0
        self._closed = False

    @classmethod
    async def opened(
        cls, transport: AsyncTransport, session: str, choices: dict[str, Any], view: bool
    ) -> AsyncTerminal:
        """Opens one, or takes the one of that name."""
        path, name = f"{session}/terminals", choices.get("name")
        try:
            if name is not None and view:
                # Who only looks opens none.
                info = await transport.get(f"{path}/{segment(name)}")
                return cls(transport, session, info, view, None)
            info = await transport.post(path, choices)
            return cls(transport, session, info, view, 0)
        except Conflict as error:
            if error.code != "terminal_exists" or name is None:
                raise
            return cls(transport, session, await transport.get(f"{path}/{segment(name)}"), view, None)

    async def screen(self) -> models.Screen:
        """What it shows now, as lines of text."""
        return cast("models.Screen", await self._transport.get(self._path))

    async def write(self, data: bytes | str) -> None:
        """Types. What is typed while the connection breaks may be lost; it is never typed twice."""
        typed = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        for at in range(0, len(typed), FRAME_BYTES_MAX):
            await self._say(frame(INPUT, typed[at : at + FRAME_BYTES_MAX]))

    async def resize(self, rows: int, columns: int) -> None:
        """Sets its size, for everybody who looks at it."""
        await self._say(json.dumps({"type": "resize", "rows": rows, "columns": columns}))

    async def hang_up(self) -> None:
        """Ends it, and what runs on it."""
        await self._transport.request("DELETE", self._path)
        await self.detach()

    async def detach(self) -> None:
        """Stops looking at it. It goes on."""
        self._closed = True
        async with self._lock:
            await self._drop()

    async def __aenter__(self) -> AsyncTerminal:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.detach()

    @property
    def data(self) -> AsyncIterator[bytes]:
        """Bytes as it shows them, until its command ends or it is closed.

        What the server refused of what was typed, or of a size, is raised here; who iterates again goes on.
        """
        return self._data()

    async def _data(self) -> AsyncIterator[bytes]:
        attempts = self._transport.attempts()
        while not self._closed and self.exit is None:
            socket = None
            try:
                socket = await self._connected()
                data = self._heard(await socket.recv())
            except (ConnectionClosed, OSError, WarrenError) as error:
                if self._closed:
                    return
                await self._lost(socket, error, attempts)
                continue
            attempts.succeeded()
            if data:
                yield data

    def _heard(self, message: bytes | str) -> bytes:
        """Takes what the server says; the bytes of it that are new."""
        if isinstance(message, str):
            self._told(json.loads(message))
            return b""
        stream, offset, data = unframed(message)
        if stream == OUTPUT:
            have = offset if self.offset is None else self.offset
            new = data[max(0, have - offset) :]
            self.offset, self._shown = max(have, offset + len(data)), True
            return new
        if stream != SCREEN or self._coming is None:
            return b""
        self._coming.have += data
        return self._drawn()

    def _told(self, said: dict[str, Any]) -> None:
        match said.get("type"):
            case "attached":
                self.exec = said.get("exec")
            case "size":
                self.rows, self.columns = said["rows"], said["columns"]
            case "screen":
                if not 0 <= said["bytes"] <= SCREEN_BYTES_MAX:
                    raise WarrenError("bad_answer", f"a screen of {said['bytes']} bytes")
                self._coming = Coming(said["bytes"], said["offset"], bytearray())
                if said["bytes"] == 0:
                    self._drawn()
            case "exit":
                self.exit = Exit.of({"exec": self.exec, **said})
            case "closed":
                self._closed = True
            case "error":
                raise problem(said.get("status", 0), said, {})

    def _drawn(self) -> bytes:
        """The screen, once all of it has come: until then the stream stays where it was."""
        coming = self._coming
        if coming is None or len(coming.have) < coming.bytes:
            return b""
        before = RESET if self._shown else b""
        self._coming, self.offset, self._shown = None, coming.offset, True
        return before + bytes(coming.have)

    async def _say(self, message: bytes | str) -> None:
        attempts = self._transport.attempts()
        while True:
            if self._closed:
                raise ValueError(f"terminal `{self.name}` is not looked at any more")
            socket = None
            try:
                socket = await self._connected()
                # It raises before it has sent anything.
                return await socket.send(message)
            except (ConnectionClosed, OSError, WarrenError) as error:
                await self._lost(socket, error, attempts)

    async def _connected(self) -> tasks.Socket:
        async with self._lock:
            if self._socket is None:
                query = {"offset": self.offset, "mode": "view" if self._view else None}
                self._coming = None
                self._socket = await self._transport.socket(f"{self._path}/attach", query=query)
            return self._socket

    async def _lost(self, socket: tasks.Socket | None, error: Exception, attempts: Attempts) -> None:
        """Waits until it is time to connect again, or raises why that is no use."""
        async with self._lock:
            # Another who uses it may have connected again already.
            if socket is self._socket:
                await self._drop()
        if isinstance(error, ConnectionClosed):
            code = error.rcvd.code if error.rcvd else None
            if code in FINAL:
                raise ConnectionLost("connection_lost", f"the server closed the terminal: {error}") from error
        wait = attempts.refused(error) if isinstance(error, WarrenError) else attempts.broken(error)
        await tasks.sleep(wait)

    async def _drop(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

"""A command that runs: its output by offset, its input, its end.

Each stream is read with requests of its own that wait for bytes behind an offset, so a connection that breaks loses
nothing, and a stream that is not read holds up no other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

from .. import _tasks as tasks
from ..errors import WarrenError
from ..results import Exit
from .transport import AsyncTransport

if TYPE_CHECKING:
    from .. import models

#: Bytes that are asked for at once.
PART = 256 * 1024
#: An offset that no stream reaches: who waits for what is there waits for the end.
NEVER = 1 << 53
#: Seconds between two looks at a command whose output has ended and that runs on.
AGAIN = 0.05


class AsyncProcess:
    """A command of a session. Made by ``session.spawn`` and ``session.attach``."""

    def __init__(
        self,
        transport: AsyncTransport,
        session: str,
        exec: int,
        position: str | None,
        stdout: int = 0,
        stderr: int = 0,
    ) -> None:
        self._transport = transport
        self._path = f"{session}/execs/{exec:d}"
        #: Its number in its session: with it ``session.attach`` makes another handle.
        self.exec = exec
        #: Where its ``started`` event stands, if this handle started it.
        self.position = position
        #: Standard output, or all that its terminal shows.
        self.stdout = AsyncOutput(transport, self._path, "stdout", stdout)
        #: Standard error.
        self.stderr = AsyncOutput(transport, self._path, "stderr", stderr)
        #: Standard input, unless it was started with another ``stdin``.
        self.stdin = AsyncInput(transport, self._path)

    async def info(self) -> models.Exec:
        """What it is like now."""
        return cast("models.Exec", await self._transport.get(self._path))

    async def wait(self) -> Exit:
        """Waits for its end. Its output can be read before and after."""
        while True:
            await AsyncOutput(self._transport, self._path, "stdout", NEVER).read()
            info = await self.info()
            if not info["running"]:
                return Exit.of(info)
            await tasks.sleep(AGAIN)

    async def signal(self, signal: str) -> None:
        """Sends a signal to its process group: ``"INT"``, ``"SIGTERM"``, ``"15"``."""
        await self._transport.post(f"{self._path}/signal", {"signal": signal})

    async def resize(self, rows: int, columns: int) -> None:
        """Sets the window of its terminal."""
        size = {"rows": rows, "columns": columns}
        await self._transport.post(f"{self._path}/resize", size, retry="again")


class AsyncOutput:
    """A stream of a command: iterate over its parts as they are written, or ``read`` them.

    A stream is read by one reader at a time.
    """

    def __init__(self, transport: AsyncTransport, path: str, stream: str, offset: int) -> None:
        self._transport, self._path, self._stream = transport, path, stream
        #: Bytes of the stream before the next part.
        self.offset = offset
        #: Bytes that were passed over because the server no longer keeps them.
        self.lost = 0
        #: Whether nothing follows.
        self.ended = False

    async def read(self) -> bytes:
        """The next part, when there is one; none at the end."""
        while not self.ended:
            query = {"stream": self._stream, "offset": self.offset, "limit": PART, "wait": True}
            answer = await self._transport.request(
                "GET", f"{self._path}/output", query=query, retry="again", patient=True
            )
            try:
                begin, ended = int(answer.headers["warren-offset"]), answer.headers["warren-end"] == "true"
            except (KeyError, ValueError) as error:
                raise WarrenError("bad_answer", "output came without its offset", status=answer.status_code) from error
            self.lost += max(0, begin - self.offset)
            self.offset, self.ended = begin + len(answer.content), ended
            if answer.content:
                return answer.content
        return b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self.read():
            yield part

    async def rest(self) -> bytes:
        """All that follows, until the end."""
        return b"".join([part async for part in self])

    async def text(self) -> str:
        """All that follows, until the end, as text; what is not UTF-8 is replaced."""
        return (await self.rest()).decode("utf-8", "replace")


class AsyncInput:
    """Standard input of a command."""

    def __init__(self, transport: AsyncTransport, path: str) -> None:
        self._transport, self._path = transport, path

    async def write(self, data: bytes | str, *, once: bool = False) -> None:
        """Writes all of it, waiting for room.

        A connection that breaks meanwhile is a ``ConnectionLost``, and nobody can say what was written. With ``once``
        it is sent again and written once; that takes a key, of which the server remembers so many a day, and the time
        to write it down.
        """
        await self._send(data, None, once)

    async def close(self, data: bytes | str = b"", *, once: bool = False) -> None:
        """Ends it, behind this."""
        await self._send(data, True, once)

    async def _send(self, data: bytes | str, close: bool | None, once: bool) -> None:
        await self._transport.post(
            f"{self._path}/stdin",
            retry="key" if once else "never",
            source=data,
            query={"close": close},
            headers={"Content-Type": "application/octet-stream"},
            patient=True,
        )

"""One session: its commands, files, terminals, events, and the turns of its life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import httpx

from .._values import Span, given, input_of, segment, span, window, words
from ..errors import ConnectionLost
from ..results import Finished
from .events import followed
from .files import AsyncFiles
from .process import AsyncProcess
from .terminal import AsyncTerminal
from .transport import AsyncTransport

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .. import models


class AsyncSession:
    """A session of the tenant. Made by ``warren.sessions``."""

    def __init__(self, transport: AsyncTransport, name: str, info: models.Session | None) -> None:
        self._transport = transport
        self._path = f"/v1/sessions/{segment(name)}"
        self._info = info
        #: Its files.
        self.files = AsyncFiles(transport, self._path)

    @property
    def info(self) -> models.Session:
        """What was known of it when it was last shown; :meth:`refresh` asks again."""
        if self._info is None:
            raise ValueError("nothing is known of this session yet: call refresh() first")
        return self._info

    @property
    def id(self) -> str:
        """Its id, which never changes."""
        return self.info["id"]

    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
        return self.info["name"]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._path.rsplit('/', 1)[1]}>"

    async def refresh(self) -> models.Session:
        """Asks what it is like now, without waking it."""
        self._info = await self._transport.get(self._path)
        return self.info

    async def update(self, **changes: Unpack[models.SessionChange]) -> None:
        """Changes what is named, all of it or nothing: ``name``, ``labels``, ``environment``, ``secrets``, ``cwd``,
        ``idle_timeout``, ``time_to_live``, ``egress``. ``None`` takes away, also a single label or entry.
        """
        answer = await self._transport.request("PATCH", self._path, json=dict(changes))
        self._info = cast("models.Session", answer.json())

    # Commands.

    async def exec(
        self,
        command: str | Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | str | None = None,
        timeout: Span | None = None,
        terminal: tuple[int, int] | None = None,
        idempotency_key: str | None = None,
    ) -> Finished:
        """Runs a command to its end: a line for the shell, or a program and its arguments.

        It is killed after ``timeout``, by the server: seconds, a ``timedelta``, or text such as ``"1h 30m"``. A status
        other than 0 is no error here; ``result.ok`` tells. It has no more than the first part of long output;
        ``result.cut`` says so.
        """
        run = command_of(command, cwd, env, timeout, terminal) | given(stdin=input_of(stdin))
        answer = await self._transport.post(f"{self._path}/exec", run, key=idempotency_key, patient=True)
        return Finished.of(answer)

    async def spawn(
        self,
        command: str | Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | str | bool = True,
        timeout: Span | None = None,
        terminal: tuple[int, int] | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncProcess:
        """Starts a command and gives a handle to it. It goes on when its client does not.

        ``process.stdin`` writes to it, unless ``stdin`` is text or bytes, which are all it gets, or ``False``, which is
        nothing. ``terminal`` is rows and columns of a terminal to run it on, in place of pipes.
        """
        run = command_of(command, cwd, env, timeout, terminal) | given(stdin=input_of(stdin)) | {"detach": True}
        started = await self._transport.post(f"{self._path}/exec", run, key=idempotency_key)
        return AsyncProcess(self._transport, self._path, started["exec"], started["position"])

    def attach(self, exec: int, *, stdout: int = 0, stderr: int = 0) -> AsyncProcess:
        """A handle to a command that was started before; its streams go on at these offsets."""
        return AsyncProcess(self._transport, self._path, exec, None, stdout, stderr)

    async def execs(self) -> list[models.Exec]:
        """Commands that run, and those that ended last."""
        return [item async for item in self._transport.pages(f"{self._path}/execs")]

    async def processes(self) -> list[models.Process]:
        """Its processes."""
        return [item async for item in self._transport.pages(f"{self._path}/processes")]

    async def kill(self, pid: int, signal: str = "TERM") -> None:
        """Sends a signal to one process."""
        await self._transport.post(f"{self._path}/processes/{pid:d}/signal", {"signal": signal})

    # Terminals.

    async def terminal(
        self,
        name: str | None = None,
        *,
        rows: int = 24,
        columns: int = 80,
        command: str | Sequence[str] | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        view: bool = False,
    ) -> AsyncTerminal:
        """Opens a terminal, or attaches to the one of this name if there is one.

        Without a ``command`` a shell runs on it. ``view`` only looks.
        """
        choices = given(name=name, rows=rows, columns=columns, cwd=cwd, env=env and dict(env))
        return await AsyncTerminal.opened(
            self._transport, self._path, choices | ({} if command is None else words(command)), view
        )

    async def terminals(self) -> list[models.Terminal]:
        """Its terminals."""
        return [item async for item in self._transport.pages(f"{self._path}/terminals")]

    # Events.

    def events(
        self, after: str | None = None, *, follow: bool = True, exec: int | None = None
    ) -> AsyncIterator[models.Event | models.Resync]:
        """Its log: the events behind ``after``, or from the first that is kept, then those to come.

        A connection that is lost is made again, and goes on where it was. A ``resync`` says that what lay between can
        no longer be had. ``follow=False`` ends at the last event there is now; ``exec`` gives those of one command,
        until it ends.
        """
        return followed(self._transport, f"{self._path}/events", after, follow, exec)

    # The turns of its life.

    async def fork(self, name: str | None = None, *, idempotency_key: str | None = None) -> AsyncSession:
        """A copy of it as it is now, with files of its own. It has no processes and no terminals."""
        info = await self._transport.post(f"{self._path}/fork", given(name=name), key=idempotency_key)
        return AsyncSession(self._transport, info["id"], info)

    async def checkpoint(self, name: str | None = None, *, idempotency_key: str | None = None) -> models.Checkpoint:
        """Keeps its files as they are, to come back to."""
        made = await self._transport.post(f"{self._path}/checkpoint", given(name=name), key=idempotency_key)
        return cast("models.Checkpoint", made)

    async def checkpoints(self) -> list[models.Checkpoint]:
        """Its checkpoints, oldest first."""
        return [item async for item in self._transport.pages(f"{self._path}/checkpoints")]

    async def rollback(self, checkpoint: int | models.Checkpoint, *, idempotency_key: str | None = None) -> None:
        """Ends its processes and brings its files back to a checkpoint, or its number."""
        number = checkpoint if isinstance(checkpoint, int) else checkpoint["checkpoint"]
        answer = await self._transport.post(f"{self._path}/rollback", {"checkpoint": number}, key=idempotency_key)
        self._info = cast("models.Session", answer)

    async def hibernate(self) -> None:
        """Puts it to rest: it costs no memory then. The next request that needs it wakes it."""
        self._info = await self._transport.post(f"{self._path}/hibernate", retry="again")

    async def wake(self) -> None:
        """Wakes it, ahead of who needs it."""
        self._info = await self._transport.post(f"{self._path}/wake", retry="again")

    async def delete(self) -> None:
        """Deletes it; its processes are killed."""
        await self._transport.request("DELETE", self._path)

    async def export(self) -> AsyncIterator[bytes]:
        """All its files as a tar archive, in parts as they come."""
        try:
            async with self._transport.stream(f"{self._path}/export") as answer:
                async for part in answer.aiter_bytes():
                    yield part
        except httpx.TransportError as error:
            raise ConnectionLost("connection_lost", f"the archive broke off: {error}") from error

    async def token(self, scopes: Sequence[models.Scope], *, life: Span | None = None) -> models.Token:
        """A token for this session, to be given away: it may do what is named, for as long as it lives."""
        asked: dict[str, Any] = {"scopes": list(scopes)} | given(life=None if life is None else span(life))
        # Nothing is kept of a token, so one too many is none.
        made = await self._transport.post(f"{self._path}/tokens", asked, retry="again")
        return cast("models.Token", made)


def command_of(
    command: str | Sequence[str],
    cwd: str | None,
    env: Mapping[str, str] | None,
    timeout: Span | None,
    terminal: tuple[int, int] | None,
) -> dict[str, Any]:
    """A command to run, as the server is told of it."""
    limit = None if timeout is None else span(timeout)
    return words(command) | given(cwd=cwd, env=env and dict(env), timeout=limit, terminal=window(terminal))

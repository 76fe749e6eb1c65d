"""Files of a session, by absolute paths. What is written is there whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import httpx

from .. import _tasks as tasks
from .._values import file_path, given, octets, operation
from ..errors import ConnectionLost, WarrenError, problem
from ..results import FileContent
from .events import watched
from .transport import AsyncTransport

if TYPE_CHECKING:
    from .. import models

Path = str | os.PathLike[str]
#: Bytes of one line of an answer, at most: a server's is far shorter.
LINE_BYTES_MAX = 16 * 1024 * 1024


class AsyncFiles:
    """Files of one session."""

    def __init__(self, transport: AsyncTransport, session: str) -> None:
        self._transport, self._path = transport, f"{session}/files"

    async def read(self, path: Path, *, offset: int = 0, length: int | None = None) -> bytes:
        """A file's bytes, or ``length`` of them from an offset. Links are followed."""
        if length == 0:
            return b""
        answer = await self._transport.request("GET", self._at(path), headers=range_of(offset, length), retry="again")
        return answer.content

    async def read_text(self, path: Path, encoding: str = "utf-8") -> str:
        """A file's text."""
        return (await self.read(path)).decode(encoding)

    async def stream(self, path: Path, *, offset: int = 0) -> AsyncIterator[bytes]:
        """A file's bytes in parts as they come; the whole of it is never held.

        A connection that breaks ends it with ``ConnectionLost``: the file may be another by now.
        """
        try:
            async with self._transport.stream(self._at(path), headers=range_of(offset, None)) as answer:
                async for part in answer.aiter_bytes():
                    yield part
        except httpx.TransportError as error:
            raise ConnectionLost("connection_lost", f"{os.fspath(path)} broke off: {error}") from error

    async def write(
        self,
        path: Path,
        data: tasks.Source,
        *,
        mode: int | None = None,
        parents: bool = False,
        append: bool = False,
        replace: bool = True,
    ) -> models.File:
        """Writes a file: text, bytes, an open file, or parts as they come; the whole of it is never held.

        ``mode`` is its permission bits, ``parents`` makes directories on the way, ``append`` adds to its end, and
        without ``replace`` one that is there is a ``Conflict``.
        """
        query = {
            "mode": None if mode is None else f"{mode:04o}",
            "parents": parents or None,
            "append": append or None,
        }
        headers = {"Content-Type": "application/octet-stream"} | ({} if replace else {"If-None-Match": "*"})
        answer = await self._transport.request("PUT", self._at(path), query=query, source=data, headers=headers)
        return cast("models.File", answer.json())

    async def list(self, path: Path) -> AsyncIterator[models.File]:
        """A directory's entries in order of name."""
        async for entry in self._transport.pages(self._at(path)):
            yield entry

    async def stat(self, path: Path) -> models.File:
        """Attributes; a link's own."""
        return cast("models.File", await self._transport.get(self._at(path), stat=True))

    async def move(self, path: Path, to: Path) -> models.File:
        """Moves a file or directory, in place of a file that is there."""
        return await self._change(path, op="rename", to=os.fspath(to))

    async def mkdir(self, path: Path, *, parents: bool = False) -> models.File:
        """Makes a directory; with ``parents`` those on the way too."""
        return await self._change(path, op="mkdir", parents=parents or None)

    async def remove(self, path: Path, *, recursive: bool = False) -> None:
        """Removes a file or an empty directory; ``recursive`` removes what is in it too."""
        await self._transport.request("DELETE", self._at(path), query={"recursive": recursive or None})

    async def batch(
        self, operations: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> Sequence[models.File | None]:
        """Does all of these or nothing, in order, and tells what is at each place then; ``None`` where nothing is.

        Each has an ``op`` and a ``path``: ``write`` (``content`` as text or bytes, ``mode``, ``parents``,
        ``exclusive``), ``mkdir``, ``move`` (``to``), ``remove`` (``recursive``), ``chmod`` (``mode``), ``symlink``
        (``target``). What is refused is an error whose ``operation`` is the index of the one it is about.
        """
        told = {"operations": [operation(wanted) for wanted in operations]}
        done = await self._transport.post(f"{self._path}:batch", told, key=idempotency_key)
        return cast("Sequence[models.File | None]", done["files"])

    async def read_many(self, paths: Iterable[Path], *, bytes_max: int | None = None) -> AsyncIterator[FileContent]:
        """Several files in one answer, one held at a time; what one cannot be read for is its ``error``.

        After ``bytes_max`` bytes of all of them, 16 MiB unless said otherwise, the rest is ``cut``.
        """
        asked = {"paths": [os.fspath(path) for path in paths]} | given(bytes_max=bytes_max)
        now: FileContent | None = None
        index = -1
        async for line in self._lines(asked):
            if now is not None and line.get("index") != index:
                yield now
                now = None
            if line["type"] == "end":
                return
            index = line["index"]
            now = now or FileContent(line["path"], line.get("file"))
            if line["type"] == "data":
                now.parts.append(octets(line, "data"))
            elif line["type"] == "error":
                now.error = problem(line["error"].get("status", 0), line["error"], {})
            elif line["type"] == "cut":
                now.cut = True
        raise ConnectionLost("connection_lost", "the answer broke off")

    async def _lines(self, asked: dict[str, Any]) -> AsyncIterator[Any]:
        rest = b""
        try:
            async with self._transport.stream(f"{self._path}:read", json=asked) as answer:
                async for part in answer.aiter_bytes():
                    *lines, rest = (rest + part).split(b"\n")
                    if len(rest) > LINE_BYTES_MAX:
                        raise WarrenError("bad_answer", f"the server sent a line of more than {LINE_BYTES_MAX} bytes")
                    for line in lines:
                        yield json.loads(line)
        except httpx.TransportError as error:
            raise ConnectionLost("connection_lost", f"the answer broke off: {error}") from error
        except ValueError as error:
            raise WarrenError("bad_answer", f"a line of the answer is no JSON: {error}") from error

    def watch(
        self, path: Path = "/", *, recursive: bool = False, after: str | None = None
    ) -> AsyncIterator[models.FileWatch]:
        """What becomes of a file, or of what is in a directory; with ``recursive`` of all beneath it.

        First comes ``watching`` with a position: what is listed from then on is never too old. Then ``changes``;
        ``resync`` says that more changed than can be told, so list anew. ``after`` is a position to go on behind. A
        connection that is lost is made again, and goes on where it was.
        """
        return watched(self._transport, f"{self._path}:watch", os.fspath(path), recursive, after)

    async def _change(self, path: Path, **query: Any) -> models.File:
        return cast("models.File", await self._transport.post(self._at(path), query=given(**query)))

    def _at(self, path: Path) -> str:
        return self._path + file_path(path)


def range_of(offset: int, length: int | None) -> dict[str, str]:
    """The header that asks for a part of a file; none for all of it."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"offset {offset} and length {length} have to be at least 0")
    if length is not None:
        return {"Range": f"bytes={offset}-{offset + length - 1}"}
    return {"Range": f"bytes={offset}-"} if offset else {}

"""Files of a session, by absolute paths. What is written is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import httpx

from .. import _tasks as tasks
from .._values import file_path, given
from ..errors import ConnectionLost
from .transport import AsyncTransport

if TYPE_CHECKING:
    from .. import models

Path = str | os.PathLike[str]


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

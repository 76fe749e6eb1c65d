"""Files: written and read whole, in part and as streams; listed, moved, removed; archives of all of them."""

from __future__ import annotations

import hashlib
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Server

from warren import AsyncWarren, Conflict, NotFound, WarrenError, models

pytestmark = pytest.mark.anyio
HOME = "/home/agent"


def parts(seed: int, count: int, size: int) -> Iterator[bytes]:
    """Bytes of no pattern, the same for the same seed."""
    numbers = random.Random(seed)
    return (numbers.randbytes(size) for _ in range(count))


async def test_text_is_written_and_read_back(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        made = await session.files.write(f"{HOME}/notes", "grüße\n", mode=0o600)
        assert made["size"] == 8 and made["kind"] == "file"
        assert await session.files.read_text(f"{HOME}/notes") == "grüße\n"
        assert await session.files.read(f"{HOME}/notes", offset=6) == b"e\n"
        assert await session.files.read(f"{HOME}/notes", offset=1, length=1) == b"r"
        assert await session.files.read(f"{HOME}/notes", length=0) == b""
        await session.files.write(f"{HOME}/notes", b"more\n", append=True)
        assert (await session.exec("cat notes")).stdout == "grüße\nmore\n"
        await session.files.write(f"{HOME}/empty", b"")
        assert await session.files.read(f"{HOME}/empty") == b""
        await session.delete()


async def test_five_mebibytes_come_back_as_they_went(server: Server, tmp_path: Path) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        count, size = 80, 65_536
        sent = hashlib.sha256(b"".join(parts(1, count, size))).hexdigest()

        def digest_of(path: str) -> str:
            return f"sha256sum {path} | cut -d' ' -f1"

        await session.files.write(f"{HOME}/big", parts(1, count, size))
        assert (await session.exec(digest_of("big"))).stdout.strip() == sent
        digest, length, longest = hashlib.sha256(), 0, 0
        async for part in session.files.stream(f"{HOME}/big"):
            digest.update(part)
            length, longest = length + len(part), max(longest, len(part))
        assert (digest.hexdigest(), length) == (sent, count * size)
        assert longest < length

        tail = b"".join([part async for part in session.files.stream(f"{HOME}/big", offset=length - 7)])
        assert tail == b"".join(parts(1, count, size))[-7:]

        # From a file, and to one.
        (tmp_path / "big").write_bytes(b"".join(parts(1, count, size)))
        with (tmp_path / "big").open("rb") as source:
            await session.files.write(f"{HOME}/from-file", source)
        assert (await session.exec(digest_of("from-file"))).stdout.strip() == sent
        await session.delete()


async def test_directories_are_made_listed_and_removed(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        files = session.files
        assert (await files.mkdir(f"{HOME}/a/b", parents=True))["kind"] == "directory"
        for name in ("c", "a", "b"):
            await files.write(f"{HOME}/a/b/{name}", name)
        assert [entry["name"] async for entry in files.list(f"{HOME}/a/b")] == ["a", "b", "c"]
        stat = await files.stat(f"{HOME}/a/b/a")
        assert (stat["size"], stat["kind"]) == (1, "file")
        await files.move(f"{HOME}/a/b/a", f"{HOME}/z")
        assert await files.read(f"{HOME}/z") == b"a"
        with pytest.raises(Conflict) as refused:
            await files.remove(f"{HOME}/a")
        assert refused.value.code == "directory_not_empty"
        await files.remove(f"{HOME}/a", recursive=True)
        with pytest.raises(NotFound) as missing:
            await files.stat(f"{HOME}/a")
        assert (missing.value.code, missing.value.errno) == ("file_not_found", "ENOENT")
        await session.delete()


async def test_a_long_directory_is_listed_part_by_part(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        await session.exec("mkdir many; cd many; for i in $(seq 1001 3200); do : > $i; done")
        names = [entry["name"] async for entry in session.files.list(f"{HOME}/many")]
        assert names == [str(number) for number in range(1001, 3201)]
        await session.delete()


@pytest.mark.parametrize("name", ["a b", "100%", "%2e%2e", "q?x=1#y", "ö", "back\\slash", "a+b&c", "..."])
async def test_odd_names_are_names(server: Server, name: str) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        await session.files.write(f"{HOME}/odd/{name}", name, parents=True)
        assert [entry["name"] async for entry in session.files.list(f"{HOME}/odd")] == [name]
        assert (await session.exec(["cat", f"odd/{name}"])).stdout == name
        await session.files.move(f"{HOME}/odd/{name}", f"{HOME}/odd/{name}2")
        assert await session.files.read_text(f"{HOME}/odd/{name}2") == name
        await session.delete()


async def test_what_is_no_path_is_refused(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        with pytest.raises(ValueError, match="not absolute"):
            await session.files.read("notes")
        # A step upwards is the session's to take, not the client's.
        await session.files.write(f"{HOME}/../agent/./up", "here")
        assert await session.files.read(f"{HOME}/up") == b"here"
        with pytest.raises(WarrenError) as refused:
            await session.files.read(f"{HOME}/{os.curdir}/a\0b")
        assert refused.value.status in (400, 422)
        await session.files.write(f"{HOME}/taken", "1")
        with pytest.raises(Conflict) as conflict:
            await session.files.write(f"{HOME}/taken", "2", replace=False)
        assert (conflict.value.status, conflict.value.code) == (412, "file_exists")
        await session.delete()


async def test_a_batch_is_all_or_nothing(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        done = await session.files.batch(
            [
                {"op": "mkdir", "path": f"{HOME}/a/b", "parents": True},
                {"op": "write", "path": Path(f"{HOME}/a/run"), "content": "#!/bin/sh\necho ran\n", "mode": 0o755},
                {"op": "write", "path": f"{HOME}/a/bytes", "content": b"\xff\0"},
                {"op": "move", "path": f"{HOME}/a/bytes", "to": f"{HOME}/a/b/bytes"},
                {"op": "symlink", "path": f"{HOME}/a/link", "target": "run"},
            ]
        )
        kinds = [None if file is None else file["kind"] for file in done]
        assert kinds == ["directory", "file", None, "file", "symlink"]
        assert (await session.exec("a/link")).stdout == "ran\n"
        assert await session.files.read(f"{HOME}/a/b/bytes") == b"\xff\0"
        with pytest.raises(NotFound) as refused:
            gone: models.FileOperation = {"op": "remove", "path": f"{HOME}/a", "recursive": True}
            await session.files.batch([gone, {"op": "remove", "path": "/nowhere"}])
        assert (refused.value.operation, refused.value.code) == (1, "file_not_found")
        assert (await session.exec("a/run")).stdout == "ran\n"
        assert await session.files.batch([]) == []
        await session.delete()


async def test_several_files_are_read_in_one_answer(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        large = b"".join(parts(2, 10, 65_536))
        await session.files.write(f"{HOME}/large", large)
        await session.files.write(f"{HOME}/text", "grüße\n")
        paths = [f"{HOME}/text", f"{HOME}/none", HOME, f"{HOME}/large", f"{HOME}/text", f"{HOME}/text"]
        read = [file async for file in session.files.read_many(paths)]
        assert [file.path for file in read] == paths
        assert (read[0].text, read[3].data == large, read[5].text) == ("grüße\n", True, "grüße\n")
        assert read[1].file is None and isinstance(read[1].error, NotFound)
        with pytest.raises(NotFound):
            _ = read[1].data
        assert read[2].file is not None and read[2].file["kind"] == "directory" and read[2].data == b""
        short = [file async for file in session.files.read_many([f"{HOME}/large", f"{HOME}/text"], bytes_max=300_000)]
        assert [(len(file.data), file.cut) for file in short] == [(300_000, True), (0, True)]
        assert [file async for file in session.files.read_many([])] == []
        await session.delete()


async def test_an_archive_makes_another_session(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        await session.files.write(f"{HOME}/kept", "as it was")
        archive = io.BytesIO(b"".join([part async for part in session.export()]))
        other = await warren.sessions.import_archive(archive)
        assert await other.files.read_text(f"{HOME}/kept") == "as it was"
        with pytest.raises(WarrenError) as refused:
            await warren.sessions.import_archive(b"this is no archive" * 100)
        assert refused.value.code == "archive_refused"
        await session.delete()
        await other.delete()

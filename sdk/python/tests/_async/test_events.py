"""Events: all of them, in order and once, over connections that break and servers that die."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from conftest import Server, Way

from warren import AsyncWarren, NotFound, WarrenError, models

pytestmark = pytest.mark.anyio


def seqs(events: list[models.Event | models.Resync]) -> list[int]:
    """The numbers of events, which count without gaps."""
    return [int(event["position"].split(".")[1]) for event in events if event["type"] != "resync"]


async def test_the_log_has_what_happened(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        done = await session.exec("echo hi")
        events = [event async for event in session.events(follow=False)]
        assert seqs(events) == list(range(1, len(events) + 1))
        kinds = [event["type"] for event in events]
        assert kinds[0] == "epoch_began" and {"created", "started", "output", "exited"} <= set(kinds)
        for event in events:
            if event["type"] == "output":
                assert (event["exec"], event["stream"], event.get("data")) == (done.exec, "stdout", "hi\n")
        behind = [event async for event in session.events(done.position, follow=False)]
        assert seqs(behind) == [seq for seq in seqs(events) if seq > int((done.position or "").split(".")[1])]

        of_one = [event["type"] async for event in session.events(exec=done.exec)]
        assert of_one == ["started", "output", "exited"]
        await session.delete()
        with pytest.raises(NotFound):
            _ = [event async for event in session.events()]


async def test_events_go_on_where_a_connection_was_cut(way: Way, server: Server) -> None:
    async with AsyncWarren(way.url, server.key) as warren:
        session = await warren.sessions.create()
        seen: list[models.Event | models.Resync] = []
        last = await session.spawn("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.05; done")
        async for event in session.events():
            seen.append(event)
            if event["type"] == "output":
                way.cut()
            if event["type"] == "exited" and event["exec"] == last.exec:
                break
        assert seqs(seen) == list(range(1, len(seen) + 1))
        output = "".join(event.get("data") or "" for event in seen if event["type"] == "output")
        assert output == "".join(f"{number}\n" for number in range(1, 10))
        await session.delete()


async def test_a_log_that_is_cut_before_its_end_is_asked_for_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        await session.exec("echo hi")
        whole = [event async for event in session.events(follow=False)]
        stream, asked = warren._transport.stream, 0

        @contextlib.asynccontextmanager
        async def short(*args: Any, **kwargs: Any) -> AsyncIterator[httpx.Response]:
            nonlocal asked
            asked += 1
            async with stream(*args, **kwargs) as answer:
                if asked == 1:
                    text = await answer.aread()

                    async def two() -> AsyncIterator[bytes]:
                        yield b"\n\n".join(text.split(b"\n\n")[:2]) + b"\n\n"

                    monkeypatch.setattr(answer, "aiter_bytes", two)
                yield answer

        monkeypatch.setattr(warren._transport, "stream", short)
        assert [event async for event in session.events(follow=False)] == whole
        assert asked == 2
        last = (await session.refresh())["position"]
        assert [event async for event in session.events(last, follow=False)] == []
        await session.delete()


async def test_events_go_on_behind_the_death_of_the_server(mortal: Server) -> None:
    async with AsyncWarren(mortal.url, mortal.key) as warren:
        session = await warren.sessions.create(durability="journal")
        await session.exec("echo before")
        seen: list[models.Event | models.Resync] = []
        outputs = 0
        async for event in session.events():
            seen.append(event)
            if event["type"] != "output":
                continue
            outputs += 1
            if outputs == 1:
                mortal.restart()
                await session.exec("echo after")
            else:
                break
        assert seqs(seen) == list(range(1, len(seen) + 1))
        assert [event.get("data") for event in seen if event["type"] == "output"] == ["before\n", "after\n"]
        epochs = [event["position"].split(".")[0] for event in seen if event["type"] == "epoch_began"]
        assert epochs == ["1", "2"]


async def test_events_that_can_no_longer_be_had_are_told(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        await session.exec("true")
        # A position that was never given: what a client saw there was lost with a server.
        seen: list[models.Event | models.Resync] = []
        async for event in session.events("1.1000", follow=True):
            seen.append(event)
            break
        assert [event["type"] for event in seen] == ["resync"]
        await session.delete()


async def test_the_log_of_a_session_that_is_deleted_ends(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        seen = []
        try:
            async for event in session.events():
                seen.append(event)
                if len(seen) == 3:
                    await session.delete()
        except NotFound as error:
            assert error.code in ("session_deleted", "session_not_found")
        assert seqs(seen) == list(range(1, len(seen) + 1))


async def test_what_becomes_of_files_is_told_over_connections_that_are_cut(way: Way, server: Server) -> None:
    async with AsyncWarren(way.url, server.key) as warren, AsyncWarren(server.url, server.key) as beside:
        session = await warren.sessions.create()
        files = beside.sessions.at(session.id).files
        await files.mkdir("/tmp/w/d", parents=True)
        changes: list[models.FileChange] = []
        begun = 0
        async for told in session.files.watch("/tmp/w", recursive=True):
            if told["type"] == "watching":
                begun += 1
                await files.write("/tmp/w/a", "1")
                continue
            assert told["type"] == "changes"
            changes += told["changes"]
            # What is done while there is no connection is told when there is one again.
            way.cut()
            if len(changes) == 1:
                await files.write("/tmp/w/a", "2")
            elif len(changes) == 2:
                await files.move("/tmp/w/a", "/tmp/w/d/b")
            elif len(changes) == 3:
                await files.remove("/tmp/w/d", recursive=True)
            else:
                break
        assert [(one["change"], one["path"], one.get("from")) for one in changes] == [
            ("created", "/tmp/w/a", None),
            ("modified", "/tmp/w/a", None),
            ("moved", "/tmp/w/d/b", "/tmp/w/a"),
            ("removed", "/tmp/w/d", None),
        ]
        assert begun == 1
        with pytest.raises(WarrenError) as refused:
            async for _ in session.files.watch("/tmp/../etc"):
                break
        assert refused.value.code == "invalid_request"
        await session.delete()

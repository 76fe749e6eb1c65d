"""Terminals: typed into, looked at by several, left and come back to."""

from __future__ import annotations

import pytest
from conftest import Server, Way

from warren import AsyncTerminal, AsyncWarren, Forbidden, NotFound, WarrenError

pytestmark = pytest.mark.anyio


async def until(terminal: AsyncTerminal, mark: str, seen: bytes = b"") -> bytes:
    """What a terminal shows until it shows this."""
    async for data in terminal.data:
        seen += data
        if mark.encode() in seen:
            return seen
    raise AssertionError(f"the terminal ended without {mark!r}: {seen!r}")


async def test_what_is_typed_is_done_and_shown(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        async with await session.terminal("main", rows=10, columns=60) as terminal:
            assert (terminal.name, terminal.rows, terminal.columns) == ("main", 10, 60)
            await terminal.write("echo $((6*7))-answer\n")
            shown = await until(terminal, "42-answer")
            assert b"echo $((6*7))-answer" in shown
            await terminal.resize(12, 70)
            await terminal.write("echo $((7*8))-resized\n")
            await until(terminal, "56-resized")
            assert (terminal.rows, terminal.columns) == (12, 70)
            with pytest.raises(WarrenError) as refused:
                await terminal.resize(0, 70)
                await until(terminal, "never")
            assert refused.value.code == "invalid_request"
            # It goes on all the same.
            await terminal.write("echo $((8*8))-still\n")
            await until(terminal, "64-still")
        screen = await terminal.screen()
        assert any("42-answer" in line for line in screen["screen"])
        assert [entry["terminal"] for entry in await session.terminals()] == ["main"]

        # Who comes later sees what was shown before.
        async with await session.terminal("main", view=True) as viewer:
            await until(viewer, "42-answer")
            await viewer.write("no")
            with pytest.raises(Forbidden) as only:
                await until(viewer, "never")
            assert only.value.code == "view_only"
        await terminal.hang_up()
        with pytest.raises(NotFound):
            await terminal.screen()
        with pytest.raises(ValueError, match="not looked at"):
            await terminal.write("x")
        await session.delete()


async def test_a_terminal_goes_on_where_it_was_cut(way: Way, server: Server) -> None:
    async with AsyncWarren(way.url, server.key) as warren:
        session = await warren.sessions.create()
        async with await session.terminal() as terminal:
            await terminal.write("for i in 1 2 3 4 5 6; do sleep 0.1; echo $((i*11))-mark; done\n")
            seen = b""
            for number in range(1, 7):
                seen = await until(terminal, f"{number * 11}-mark\r\n", seen)
                if number < 6:
                    way.cut()
            await terminal.write("echo $((7*11))-typed\n")
            seen = await until(terminal, "77-typed\r\n", seen)
            # Not a byte is missing or there twice.
            assert terminal.exec is not None and terminal.offset == len(seen)
            kept = await session.attach(terminal.exec).stdout.read()
            # A question to the terminal is not passed on; it is as long all the same.
            assert kept[: len(seen)].replace(b"\x1b[6n", b"\x1b[6\x18") == seen
            await terminal.hang_up()
        await session.delete()


async def test_a_terminal_outlives_its_server(mortal: Server) -> None:
    async with AsyncWarren(mortal.url, mortal.key) as warren:
        session = await warren.sessions.create(durability="journal")
        async with await session.terminal("main") as terminal:
            await terminal.write("echo $((1+1))-before\n")
            await until(terminal, "2-before\r\n")
            mortal.restart()
            await until(terminal, "[warren: a new shell")
            await terminal.write("echo $((2+2))-after\n")
            await until(terminal, "4-after")
        async with await session.terminal("main", view=True) as viewer:
            seen = await until(viewer, "4-after")
            assert b"2-before" in seen


async def test_a_terminal_ends_with_its_command(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        async with await session.terminal(command="read line; exit 5") as terminal:
            await terminal.write("so\n")
            shown = b"".join([data async for data in terminal.data])
            assert shown == b"so\r\n"
            assert terminal.exit is not None and terminal.exit.exit_code == 5
        with pytest.raises(NotFound) as missing:
            await session.terminal("nobody", view=True)
        assert missing.value.code == "terminal_not_found"
        with pytest.raises(WarrenError) as refused:
            await session.terminal("NO GOOD")
        assert refused.value.status == 422
        await session.delete()

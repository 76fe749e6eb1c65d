"""Commands: to their end, started and followed, fed, signalled, and over connections that break."""

from __future__ import annotations

import pytest
from conftest import Server, Way

from warren import AsyncWarren, Conflict, ConnectionLost, NotFound, WarrenError

pytestmark = pytest.mark.anyio


async def test_a_command_runs_to_its_end(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        done = await session.exec("echo hi; echo oops >&2; exit 3")
        assert (done.stdout, done.stderr, done.exit_code, done.end) == ("hi\n", "oops\n", 3, "exited")
        assert not done.ok and done.signal is None and not done.cut

        done = await session.exec(["cat", "-"], stdin=b"\xff\x00\xfe")
        assert done.stdout_bytes == b"\xff\x00\xfe" and done.stdout == "\ufffd\x00\ufffd"

        done = await session.exec('echo "$PWD $GREETING"', cwd="/tmp", env={"GREETING": "hello"})
        assert done.ok and done.stdout == "/tmp hello\n"
        await session.delete()


async def test_a_command_that_takes_too_long_is_killed(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        done = await session.exec("sleep 60", timeout=0.2)
        assert done.end == "timed_out" and done.exit_code not in (0, None)
        done = await session.exec(["there-is-no-such-program"])
        assert not done.ok and (done.errno == "ENOENT" or done.exit_code == 127)
        with pytest.raises(WarrenError) as refused:
            await session.exec([])
        assert (refused.value.status, refused.value.code) == (422, "invalid_request")
        await session.delete()


async def test_a_command_is_fed_and_read_while_it_runs(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        process = await session.spawn("cat; echo ended >&2; exit 4")
        await process.stdin.write("one\n")
        assert await process.stdout.read() == b"one\n"
        await process.stdin.write(b"two\n")
        assert await process.stdout.read() == b"two\n"
        assert (await process.info())["running"]
        await process.stdin.close("three\n")
        assert await process.stdout.rest() == b"three\n"
        assert await process.stderr.text() == "ended\n"
        end = await process.wait()
        assert (end.exec, end.end, end.exit_code) == (process.exec, "exited", 4)
        assert process.stdout.offset == 14 and process.stdout.lost == 0

        assert await (await session.spawn("cat", stdin="all of it")).stdout.text() == "all of it"
        assert (await (await session.spawn("cat", stdin=False)).wait()).ok

        # Another handle reads it again, from any offset.
        again = session.attach(process.exec, stdout=4)
        assert await again.stdout.rest() == b"two\nthree\n"
        with pytest.raises(Conflict) as refused:
            await process.stdin.write("more")
        assert refused.value.code == "no_input"
        with pytest.raises(NotFound) as refused2:
            await session.attach(999).stdout.read()
        assert refused2.value.code == "exec_not_found"
        await session.delete()


async def test_a_command_is_signalled_and_its_window_changed(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        process = await session.spawn(["cat"], terminal=(24, 80))
        await process.resize(30, 100)
        await process.stdin.write("word\n")
        shown = b""
        # Echoed by the terminal, and written by the command.
        while len(shown) < 12:
            shown += await process.stdout.read()
        assert shown == b"word\r\nword\r\n"
        with pytest.raises(WarrenError) as refused:
            await process.signal("NOPE")
        assert refused.value.code == "invalid_request"
        assert any(entry["exec"] == process.exec and entry["running"] for entry in await session.execs())
        await process.signal("KILL")
        end = await process.wait()
        assert (end.end, end.signal, end.exit_code) == ("signaled", "SIGKILL", 137)

        process = await session.spawn(["sleep", "60"])
        pids = [entry["pid"] for entry in await session.processes() if entry["command"][-1] == "60"]
        assert len(pids) == 1
        await session.kill(pids[0])
        assert (await process.wait()).signal == "SIGTERM"
        await session.delete()


async def test_output_and_input_survive_connections_that_break(way: Way, server: Server) -> None:
    async with AsyncWarren(way.url, server.key) as warren:
        session = await warren.sessions.create()
        process = await session.spawn("cat")
        sent = b""
        read = b""
        for number in range(8):
            line = f"{number} {'x' * 10_000}\n".encode()
            # The answer to this is lost on its way, and what it says was done is not done again.
            way.answers_cut = 1
            await process.stdin.write(line, once=True)
            sent += line
            way.cut()
            while len(read) < len(sent):
                read += await process.stdout.read()
        # Without that nobody can say whether it was written.
        way.answers_cut = 1
        with pytest.raises(ConnectionLost) as lost:
            await process.stdin.write("perhaps\n")
        assert lost.value.hint
        await process.stdin.close("end\n")
        read += await process.stdout.rest()
        assert read in (sent + b"end\n", sent + b"perhaps\nend\n")
        assert (await process.wait()).ok
        await session.delete()


async def test_a_request_whose_answer_was_lost_is_done_once(way: Way, server: Server) -> None:
    async with AsyncWarren(way.url, server.key) as warren:
        session = await warren.sessions.create()
        way.answers_cut = 1
        done = await session.exec("echo once >> log; wc -l < log")
        assert way.answers_cut == 0 and done.stdout.strip() == "1"

        # With a key of one's own, also later and from elsewhere.
        first = await session.exec("echo twice >> log", idempotency_key="mine")
        second = await session.exec("echo twice >> log", idempotency_key="mine")
        assert second.exec == first.exec
        assert await session.files.read_text("/home/agent/log") == "once\ntwice\n"
        with pytest.raises(WarrenError) as refused:
            await session.exec("echo other", idempotency_key="mine")
        assert refused.value.code == "key_reused"

        # What has no key is not sent again, and it is said that nobody knows.
        way.answers_cut = 1
        with pytest.raises(ConnectionLost) as lost:
            await session.files.remove("/home/agent/log")
        assert lost.value.status == 0 and lost.value.hint is not None
        await session.delete()


async def test_a_client_without_patience_tries_once(way: Way, server: Server) -> None:
    async with AsyncWarren(way.url, server.key, patience=0) as warren:
        session = await warren.sessions.create()
        way.answers_cut = 1
        with pytest.raises(ConnectionLost):
            await session.exec("true")
        assert (await session.exec("true")).ok
        await session.delete()
    way.close()
    async with AsyncWarren(way.url, server.key, patience=0.2) as warren:
        with pytest.raises(ConnectionLost) as lost:
            await warren.version()
        # Nothing was sent, so nothing is in doubt.
        assert lost.value.code == "connection_lost" and lost.value.hint is None


async def test_a_killed_server_interrupts_what_ran(mortal: Server) -> None:
    async with AsyncWarren(mortal.url, mortal.key) as warren:
        session = await warren.sessions.create(durability="journal")
        process = await session.spawn("echo begun; sleep 600")
        assert await process.stdout.read() == b"begun\n"
        mortal.restart()
        assert await process.stdout.rest() == b""
        end = await process.wait()
        assert (end.end, end.exit_code) == ("interrupted", None)
        assert (await session.exec("echo on")).stdout == "on\n"

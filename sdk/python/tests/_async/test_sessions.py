"""Sessions: made, found, copied, taken back, put to rest; who may do what with them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from conftest import Server

from warren import AsyncWarren, Conflict, Forbidden, NotFound, QuotaExceeded, Unauthorized, WarrenError, models

pytestmark = pytest.mark.anyio
NOTES = "/home/agent/notes"


def fresh(about: str) -> str:
    """A name that nobody has."""
    return f"{about}-{uuid4().hex[:12]}"


async def test_a_session_is_made_found_and_deleted(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        name = fresh("a")
        files: list[models.NewFile] = [{"path": NOTES, "content": "hello\n", "mode": 0o640}]
        session = await warren.sessions.create(
            name=name, files=files, environment={"CI": "1"}, labels={"team": "a"}, limits={"file_bytes": "256MiB"}
        )
        assert (session.name, session.info["state"], session.info["labels"]) == (name, "active", {"team": "a"})
        assert (await session.exec("cat notes; echo $CI")).stdout == "hello\n1\n"
        assert (await warren.sessions.get(name)).id == session.id
        assert session.id in [found.id async for found in warren.sessions.list(limit=2)]
        await session.delete()
        with pytest.raises(NotFound) as gone:
            await warren.sessions.get(name)
        assert gone.value.code == "session_not_found"


async def test_a_session_is_changed_and_found_by_what_it_is(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        suite = fresh("found")
        one = await warren.sessions.create(name=f"{suite}-1", labels={"suite": suite, "odd": "1"})
        two = await warren.sessions.create(name=f"{suite}-2", labels={"suite": suite})

        async def found(**query: Any) -> list[str]:
            return [session.id async for session in warren.sessions.list(limit=1, labels={"suite": suite}, **query)]

        assert sorted(await found()) == sorted([one.id, two.id])
        assert await found(name_prefix=f"{suite}-2") == [two.id]
        assert await found(created_after=two.info["created"]) == []
        now = datetime.now(timezone.utc)
        assert await found(created_before=now + timedelta(days=1), created_after=now - timedelta(days=1)) != []
        assert await found(created_after=now + timedelta(days=1)) == []

        labels = {"odd": None, "even": "1"}
        await one.update(name=f"{suite}-x", labels=labels, environment={"A": "b"}, idle_timeout="1h")
        assert (one.name, one.info["labels"]) == (f"{suite}-x", {"suite": suite, "even": "1"})
        assert (await one.exec("echo $A")).stdout == "b\n"
        await two.hibernate()
        assert await found(state="hibernated") == [two.id]
        with pytest.raises(Conflict) as taken:
            await two.update(name=f"{suite}-x")
        assert taken.value.code == "name_taken"
        await two.update(name=None)
        assert two.name is None
        with pytest.raises(ValueError, match="without a zone"):
            await found(created_after=now.replace(tzinfo=None))
        await one.delete()
        await two.delete()


async def test_refusals_are_typed(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        with pytest.raises(NotFound) as missing:
            await warren.sessions.get("there-is-none")
        error = missing.value
        assert (error.status, error.code) == (404, "session_not_found")
        assert "there-is-none" in error.detail and error.hint and error.request_id
        assert "session_not_found" in str(error)

        name = fresh("taken")
        session = await warren.sessions.create(name=name)
        with pytest.raises(Conflict) as taken:
            await warren.sessions.create(name=name)
        assert (taken.value.status, taken.value.code) == (409, "name_taken")
        await session.delete()
        with pytest.raises(WarrenError) as invalid:
            await warren.sessions.create(name="No Name")
        assert invalid.value.status == 422
        with pytest.raises(ValueError, match="names nothing"):
            await warren.sessions.get("..")
    async with AsyncWarren(server.url, "wrn_no_key") as stranger:
        with pytest.raises(Unauthorized) as unknown:
            await stranger.sessions.get(name)
        assert unknown.value.code == "unauthorized"


async def test_a_create_with_a_key_is_done_once(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        key = fresh("key")
        first = await warren.sessions.create(idempotency_key=key)
        second = await warren.sessions.create(idempotency_key=key)
        assert first.id == second.id
        with pytest.raises(WarrenError) as reused:
            await warren.sessions.create(idempotency_key=key, cwd="/tmp")
        assert (reused.value.status, reused.value.code) == (422, "key_reused")
        await first.delete()


async def test_a_fork_has_files_of_its_own(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        await session.files.write(NOTES, "shared")
        fork = await session.fork()
        assert fork.info["forked_from"] == session.id
        await fork.files.write(NOTES, "the fork's")
        await session.files.write(NOTES + "2", "not the fork's")
        assert await session.files.read_text(NOTES) == "shared"
        with pytest.raises(NotFound):
            await fork.files.read(NOTES + "2")
        await fork.delete()
        await session.delete()


async def test_a_checkpoint_is_come_back_to(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        await session.files.write(NOTES, "before")
        kept = await session.checkpoint("before")
        await session.files.write(NOTES, "after")
        await session.exec("rm -rf /home/agent/.??*; echo x > new")
        assert [point["name"] for point in await session.checkpoints()] == ["before"]
        await session.rollback(kept)
        assert await session.files.read_text(NOTES) == "before"
        with pytest.raises(NotFound):
            await session.files.stat("/home/agent/new")
        with pytest.raises(NotFound) as missing:
            await session.rollback(99)
        assert missing.value.code == "checkpoint_not_found"
        await session.delete()


async def test_a_session_rests_and_wakes(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session = await warren.sessions.create()
        await session.files.write(NOTES, "kept")
        await session.hibernate()
        states = [session.info["state"], (await session.refresh())["state"]]
        await session.wake()
        states.append(session.info["state"])
        assert states == ["hibernated", "hibernated", "active"]
        await session.hibernate()
        # What needs it wakes it.
        assert (await session.exec(["cat", NOTES])).stdout == "kept"
        await session.delete()


async def test_a_token_reaches_its_session_alone(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        session, other = await warren.sessions.create(), await warren.sessions.create()
        await session.files.write(NOTES, "mine")
        await other.files.write(NOTES, "not yours")
        token = await session.token(["files:read", "sessions:write"], life=60)
        assert token["session"] == session.id and "files:read" in token["scopes"]
        async with AsyncWarren(server.url, token["token"]) as guest:
            assert await guest.sessions.at(session.id).files.read_text(NOTES) == "mine"
            with pytest.raises(NotFound) as elsewhere:
                await guest.sessions.at(other.id).files.read(NOTES)
            assert elsewhere.value.code == "session_not_found"
            with pytest.raises(Forbidden) as beyond:
                await guest.sessions.at(session.id).exec("true")
            assert beyond.value.code == "scope_missing"
            with pytest.raises(Forbidden) as bound:
                await guest.sessions.create()
            assert bound.value.code == "token_bound"
        await session.delete()
        await other.delete()


async def test_a_tenant_has_its_quotas_and_its_keys(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        id = fresh("acme")
        tenant = await warren.tenants.create(id, title="Acme")
        assert (tenant["id"], tenant["title"], tenant["enabled"]) == (id, "Acme", True)
        changed = await warren.tenants.update(id, quotas={"sessions": 1}, title=None)
        assert changed["title"] is None and changed["quotas"]["sessions"]["limit"] == 1
        assert id in [found["id"] async for found in warren.tenants.list()]
        key = await warren.keys.create("first", role="admin", expires_in="1h", tenant=id)
        async with AsyncWarren(server.url, key["key"]) as theirs:
            session = await theirs.sessions.create()
            with pytest.raises(QuotaExceeded) as full:
                await theirs.sessions.create()
            error = full.value
            assert (error.status, error.quota, error.limit, error.used) == (429, "sessions", 1, 1)
            quotas = await theirs.quotas()
            assert quotas["quotas"]["sessions"].get("used") == 1
            # Another tenant's session is like none.
            with pytest.raises(NotFound) as none:
                await warren.sessions.get(session.id)
            assert none.value.code == "session_not_found"

            assert [found["name"] async for found in theirs.keys.list()] == ["first"]
            rotated = await theirs.keys.rotate(key["id"], grace="0s")
            assert rotated["key"] != key["key"] and rotated["id"] == key["id"]
        async with AsyncWarren(server.url, rotated["key"]) as theirs:
            verbs = [(record["method"], record["status"]) async for record in theirs.audit(limit=2)]
            assert ("POST", 201) in verbs and ("POST", 429) in verbs
            now = datetime.now(timezone.utc)
            used = [row async for row in theirs.usage(start=now - timedelta(hours=1), end=now, by="session")]
            assert all(row["cpu_ms"] >= 0 for row in used)
            with pytest.raises(Forbidden):
                await theirs.tenants.get(id)
            await theirs.sessions.at(session.id).delete()
        await warren.keys.revoke(key["id"], tenant=id)
        assert (await warren.keys.get(key["id"], tenant=id))["state"] == "revoked"
        await warren.tenants.disable(id)
        assert not (await warren.tenants.get(id))["enabled"]


async def test_the_server_says_what_it_is(server: Server) -> None:
    async with AsyncWarren(server.url, server.key) as warren:
        assert await warren.ready()
        assert (await warren.version()).count(".") == 2
        assert isinstance(await warren.templates(), list)

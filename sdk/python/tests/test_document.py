"""Every operation of the server's document is reached by this client, or said why not."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

import warren

DOCUMENT = json.loads((Path(__file__).parent / "../../../docs/openapi.json").read_text("utf-8"))

#: What reaches an operation.
REACHED = {
    "archive_export": "Session.export",
    "archive_import": "Sessions.import_archive",
    "audit_get": "Warren.audit",
    "checkpoints_list": "Session.checkpoints",
    "checkpoints_make": "Session.checkpoint",
    "checkpoints_rollback": "Session.rollback",
    "events_events": "Session.events",
    "execs_exec": "Session.exec",
    "execs_get": "Process.info",
    "execs_list": "Session.execs",
    "execs_output": "Output.read",
    "execs_resize": "Process.resize",
    "execs_signal": "Process.signal",
    "execs_stdin": "Input.write",
    "files_batch": "Files.batch",
    "files_change": "Files.move",
    "files_delete": "Files.remove",
    "files_get": "Files.read",
    "files_put": "Files.write",
    "files_read": "Files.read_many",
    "files_watch": "Files.watch",
    "keys_create": "Keys.create",
    "keys_get": "Keys.get",
    "keys_list": "Keys.list",
    "keys_revoke": "Keys.revoke",
    "keys_rotate": "Keys.rotate",
    "node_index": "Warren.version",
    "metrics_get": "Warren.metrics",
    "node_ready": "Warren.ready",
    "node_templates": "Warren.templates",
    "processes_list": "Session.processes",
    "processes_signal": "Session.kill",
    "quotas_get": "Warren.quotas",
    "sessions_change": "Session.update",
    "sessions_create": "Sessions.create",
    "sessions_delete": "Session.delete",
    "sessions_fork": "Session.fork",
    "sessions_get": "Sessions.get",
    "sessions_hibernate": "Session.hibernate",
    "sessions_list": "Sessions.list",
    "sessions_wake": "Session.wake",
    "tenants_change": "Tenants.update",
    "tenants_create": "Tenants.create",
    "tenants_disable": "Tenants.disable",
    "tenants_get": "Tenants.get",
    "tenants_list": "Tenants.list",
    "terminals_attach": "Terminal.write",
    "terminals_close": "Terminal.hang_up",
    "terminals_get": "Terminal.screen",
    "terminals_list": "Session.terminals",
    "terminals_open": "Session.terminal",
    "tokens_create": "Session.token",
    "usage_get": "Warren.usage",
}

#: What does not, and why.
LEFT_OUT = {
    "attach_exec": "a command's streams are read by offset, and its input is a request, which needs no WebSocket",
    "files_head": "`Files.stat` says more",
    "node_health": "for whoever keeps the process alive",
    "node_openapi": "the models are made from it",
}


def operations() -> set[str]:
    return {operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()}


def found(name: str, prefix: str = "") -> Any:
    """What is called so."""
    kind, method = name.split(".")
    modules = (warren, inspect.getmodule(warren.AsyncWarren if prefix else warren.Warren))
    owner = next(getattr(module, prefix + kind) for module in modules if hasattr(module, prefix + kind))
    return getattr(owner, method)


def test_every_operation_is_reached_or_left_out() -> None:
    known = set(REACHED) | set(LEFT_OUT)
    assert not set(REACHED) & set(LEFT_OUT)
    assert operations() - known == set(), "new operations: give them a method, or a reason in LEFT_OUT"
    assert known - operations() == set(), "these operations are gone"


@pytest.mark.parametrize("name", sorted(set(REACHED.values())))
def test_what_reaches_it_is_there_for_both_clients(name: str) -> None:
    blocking, asynchronous = found(name), found(name, "Async")
    assert list(inspect.signature(blocking).parameters) == list(inspect.signature(asynchronous).parameters)
    assert blocking.__doc__ == asynchronous.__doc__ and blocking.__doc__


def test_each_kind_of_event_has_a_type() -> None:
    kinds = {kind for member in DOCUMENT["components"]["schemas"]["EventKind"]["oneOf"] for kind in type_of(member)}
    assert "output" in kinds and len(kinds) > 10
    names = {name for name in dir(warren.models) if name.endswith("Event")}
    for kind in kinds:
        name = "".join(part.capitalize() for part in kind.split("_")) + "Event"
        assert name in names or f"Log{name}" in names


def type_of(schema: dict[str, Any]) -> list[str]:
    """The words of the member `type`, wherever it stands."""
    own = schema.get("properties", {}).get("type", {}).get("enum", [])
    return [*own, *(word for part in schema.get("allOf", []) for word in type_of(part))]

"""Makes what of this package follows from something else.

``src/warren/models.py``   the shapes of requests and answers, from the server's OpenAPI document
``src/warren/_sync``       the blocking client, from ``src/warren/_async``
``tests/_sync``            the blocking scenario, from ``tests/_async``

None of it is checked in, so none of it can be out of date: a build runs this (``hatch_build.py``), and so does whoever
works here: ``python generate.py``.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE / "../../docs/openapi.json"
MODELS = HERE / "src/warren/models.py"
#: What is written for asyncio, and where its blocking twin goes.
PAIRS = ((HERE / "src/warren/_async", HERE / "src/warren/_sync"), (HERE / "tests/_async", HERE / "tests/_sync"))

MODELS_HEADER = '''"""Shapes of requests and answers, made from the OpenAPI document by ``generate.py``.

They are dictionaries as they were sent. A newer server may send members, and values of enumerations, that are not here.
"""'''

SYNC_HEADER = "# Made from {source} by generate.py; change that.\n"

#: Words of asyncio and what a thread says for them. ``Async`` in front of a name goes as well.
WORDS = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "StopAsyncIteration": "StopIteration",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "anext": "next",
    "aread": "read",
    "asynccontextmanager": "contextmanager",
    "_tasks": "_threads",
    "_async": "_sync",
}


def main() -> None:
    """Makes all of it; the document is there in a checkout and not in a source distribution, which has the models."""
    if DOCUMENT.exists():
        models()
    elif not MODELS.exists():
        raise SystemExit(f"{DOCUMENT} is not there, and no {MODELS.name} was made of it before")
    for source, target in PAIRS:
        if source.exists():
            blocking(source, target)


def models() -> None:
    """Writes the models, or raises with what the generator said."""
    document = prepared(json.loads(DOCUMENT.read_text("utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "openapi.json", Path(folder) / "models.py"
        source.write_text(json.dumps(document), "utf-8")
        options = [
            *("--input", str(source), "--input-file-type", "openapi", "--output", str(made)),
            *("--output-model-type", "typing.TypedDict", "--target-python-version", "3.10"),
            *("--enum-field-as-literal", "all", "--no-use-closed-typed-dict", "--formatters", "builtin"),
            *("--use-standard-collections", "--use-union-operator"),
            *("--use-schema-description", "--use-field-description"),
            *("--disable-timestamp", "--custom-file-header", MODELS_HEADER),
        ]
        run = [sys.executable, "-W", "ignore", "-m", "datamodel_code_generator", *options]
        done = subprocess.run(run, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"the generator of models failed:\n{done.stderr}")
        write(MODELS, made.read_text("utf-8"))


def prepared(document: dict[str, Any]) -> dict[str, Any]:
    """The document's schemas alone, in shapes that make good types.

    An ``allOf`` of objects becomes one object, and each kind of event a schema with a name of its own.
    """
    schemas: dict[str, Any] = deepcopy(document["components"]["schemas"])
    about, kinds = schemas["Event"]["description"], []
    for kind in schemas.pop("EventKind")["oneOf"]:
        event = merged({"allOf": [kind, schemas["Event"]["allOf"][-1]], "description": kind["description"]}, schemas)
        (word,) = event["properties"]["type"]["enum"]
        name = "".join(part.capitalize() for part in word.split("_")) + "Event"
        name = f"Log{name}" if name in schemas else name
        schemas[name] = event
        kinds.append({"$ref": f"#/components/schemas/{name}"})
    schemas["Event"] = {"description": about, "oneOf": kinds}
    schemas = {name: merged(schema, schemas) for name, schema in schemas.items()}
    for schema in schemas.values():
        # Which of its members go together is nothing that a dictionary's type says.
        if "properties" in schema:
            schema.pop("oneOf", None)
            schema.pop("not", None)
    info = {"title": document["info"]["title"], "version": document["info"]["version"]}
    return {"openapi": document["openapi"], "info": info, "paths": {}, "components": {"schemas": schemas}}


def merged(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """One object in place of an ``allOf`` of objects; everything else as it is."""
    if "allOf" not in schema:
        return schema
    whole: dict[str, Any] = {"type": "object", "required": [], "properties": {}}
    for part in schema["allOf"]:
        if "$ref" in part:
            part = schemas[part["$ref"].rsplit("/", 1)[1]]
        if len(part.get("oneOf", ())) == 1:
            (part,) = part["oneOf"]
        part = merged(part, schemas)
        if "properties" not in part:
            return schema
        whole["properties"] |= part["properties"]
        whole["required"] += part.get("required", [])
    if "description" in schema:
        whole["description"] = schema["description"]
    return whole


def blocking(source: Path, target: Path) -> None:
    """The blocking twin of each module of a folder."""
    if target.exists():
        shutil.rmtree(target)
    for module in sorted(source.glob("*.py")):
        header = SYNC_HEADER.format(source=f"{source.name}/{module.name}")
        write(target / module.name, header + spoken(module.read_text("utf-8")))


def spoken(text: str) -> str:
    """Code of asyncio as a thread says it."""
    text = re.sub(r"\basync (def|with|for)\b", r"\1", text)
    text = re.sub(r"\bawait ", "", text)
    text = re.sub(r"\bAsync(?=[A-Z])", "", text)
    return re.sub(r"\b(" + "|".join(WORDS) + r")\b", lambda word: WORDS[word[0]], text)


def write(path: Path, text: str) -> None:
    """Writes a file, and the folders it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

"""What schemathesis is told of this API beside its document: see ``run.py``."""

import io
import os
import tarfile

import schemathesis
from hypothesis import strategies

#: The key that all requests are sent with.
OWN_KEY = os.environ["OWN_KEY"].removeprefix("wrn_").split("_")[0]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps a test from locking itself out, and from what JSON Schema takes for the same and the server does not."""
    variables = case.path_parameters or {}
    # Requests that would end the own key, or bound the own tenant, are about others.
    if variables.get("key") == OWN_KEY:
        variables["key"] = "0" * 16
    if variables.get("tenant") == "default":
        variables["tenant"] = "acme"
    # A test waits for the whole of an answer, so events are not followed and output is not waited for.
    if case.path.endswith("/events") and (case.query or {}).get("follow") in (None, True, "true"):
        case.query = (case.query or {}) | {"follow": "false"}
    if case.path.endswith("/output") and (case.query or {}).get("wait") in (True, "true"):
        case.query = case.query | {"wait": "false"}
    # A command that waits for input that nobody sends would be waited for.
    if isinstance(case.body, dict) and case.body.get("stdin") == "open" and case.body.get("detach") is False:
        case.body = case.body | {"detach": True}
    # JSON Schema has 1.0 for an integer. No client of this server sends that, and it refuses it.
    body = whole(case.body)
    # 1.0 and 1 are equal; what is set anew counts as another body.
    if repr(body) != repr(case.body):
        case.body = body


def whole(value):
    """The same with integers in place of floating point numbers that are integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [whole(member) for member in value]
    return value


def archive(files):
    """A tar archive of files in the agent's home."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"home/agent/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


NAMES = strategies.text("abcdefgh0123456789_", min_size=1, max_size=8)
schemathesis.openapi.media_type(
    "application/x-tar", strategies.dictionaries(NAMES, strategies.binary(max_size=600), max_size=4).map(archive)
)


@schemathesis.deserializer("application/octet-stream", "application/x-tar", "application/jsonl")
def as_text(context, response):
    """Bytes have no shape that a schema could speak of; ``string`` is what the document says of them."""
    return response.content.decode("latin-1")

"""The example of the README runs as it stands there, and says what it seems to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import Server

README = (Path(__file__).parent / "../README.md").read_text("utf-8")


def test_the_example_runs(server: Server) -> None:
    example = README.split("```python\n")[1].split("```")[0]
    paths = os.pathsep.join(path for path in sys.path if path)
    variables = {**os.environ, "WARREN_URL": server.url, "WARREN_KEY": server.key, "PYTHONPATH": paths}
    # The second time the session is there.
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", example], env=variables, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("hi\n 3\nfirst line\n\nb'2\\n'\n0\n", "")

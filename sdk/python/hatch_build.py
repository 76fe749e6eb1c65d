"""Makes what is not checked in before a package is built, so that every package has it and none has it out of date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GenerateHook(BuildHookInterface[Any]):
    """Runs ``generate.py``, in front of every build, editable ones too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Runs it."""
        sys.path.insert(0, str(Path(__file__).resolve().parent))
        import generate

        generate.main()

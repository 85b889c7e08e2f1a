"""Running the command in tests: in this process, or as one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from trading.cli import app

_MAIN = "from trading.cli import main; main()"
_ROOT = Path(__file__).parents[3]


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def run_process(
    *arguments: object, folder: Path, hash_seed: int
) -> subprocess.CompletedProcess[str]:
    """The command as a process that works in `folder`."""
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-c", _MAIN, *map(str, arguments)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        },
        capture_output=True,
        text=True,
        check=False,
    )

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared data folder is not beside the repository (../shared/data)")
    return SHARED_DATA


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Write lines to a file of the test's own folder, and give its path."""

    def write_lines(*lines: str, name: str = "sessions.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write_lines

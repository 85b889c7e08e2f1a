"""Files appear whole or not at all, and leave what is there alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from trading.errors import OptionError
from trading.files import OWNER_ONLY, create_file, must_not_exist, replace_file


def test_a_file_is_made_with_its_content_and_its_mode(tmp_path: Path) -> None:
    create_file(tmp_path / "key.json", "é\n", mode=OWNER_ONLY)
    assert (tmp_path / "key.json").read_bytes() == "é\n".encode()
    assert stat.S_IMODE((tmp_path / "key.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


def test_what_is_there_is_left(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text("first")
    with pytest.raises(OptionError, match="not there yet"):
        create_file(path, "second")
    with pytest.raises(OptionError, match="not there yet"):
        must_not_exist(path)
    assert path.read_text() == "first"
    replace_file(path, "second")
    assert path.read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    for write in (create_file, replace_file):
        with pytest.raises(OptionError, match="a folder that exists"):
            write(tmp_path / "none" / "file", "")


def test_a_file_system_without_links_does_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    create_file(tmp_path / "file", "first")
    with pytest.raises(OptionError, match="not there yet"):
        create_file(tmp_path / "file", "second")
    assert (tmp_path / "file").read_text() == "first"


@pytest.mark.parametrize("write", [create_file, replace_file])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "file", "content")
    assert list(tmp_path.iterdir()) == []

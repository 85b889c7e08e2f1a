from __future__ import annotations

import os
from pathlib import Path

import pytest

from trading.data.output import output_folder
from trading.errors import OptionError


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def write(out: Path, *names: str, error: type[BaseException] | None = None) -> None:
    with output_folder(out) as folder:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("new")
        if error is not None:
            raise error


def test_files_arrive_when_the_block_succeeds(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    with output_folder(out) as folder:
        (folder / "trades.csv").write_text("new")
        (folder / "figures").mkdir()
        (folder / "figures" / "1.png").write_text("picture")
        assert not out.exists()
    assert contents(tmp_path) == {"deep/run/trades.csv": "new", "deep/run/figures/1.png": "picture"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["deep"]


def test_files_of_the_same_name_are_replaced_and_others_left(tmp_path: Path) -> None:
    (tmp_path / "trades.csv").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    with output_folder(tmp_path) as folder:
        (folder / "trades.csv").write_text("new")
        assert (tmp_path / "trades.csv").read_text() == "old"
    assert contents(tmp_path) == {"trades.csv": "new", "notes.txt": "mine"}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["notes.txt", "trades.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_when_the_block_fails(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "trades.csv").write_text("old")
    for out in (tmp_path / "old", tmp_path / "deep" / "new"):
        with pytest.raises(error):
            write(out, "trades.csv", error=error)
    assert contents(tmp_path) == {"old/trades.csv": "old"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["old"]
    assert [entry.name for entry in (tmp_path / "old").iterdir()] == ["trades.csv"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.write_text("a file")
    with pytest.raises(OptionError) as caught:
        write(out, "trades.csv")
    assert str(caught.value) == f"out={str(out)!r}: expected a folder, but {out} is a file"
    with pytest.raises(OptionError, match="expected a folder, but"):
        write(out / "below" / "deeper")
    assert contents(tmp_path) == {"run": "a file"}


def test_nothing_moves_when_a_folder_stands_where_a_file_has_to_go(tmp_path: Path) -> None:
    (tmp_path / "trades.csv").mkdir()
    with pytest.raises(OptionError, match=r"expected no folder named trades\.csv in it"):
        write(tmp_path, "roles.csv", "trades.csv")
    assert contents(tmp_path) == {}


def test_nothing_moves_when_a_file_stands_where_a_folder_has_to_go(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("a file")
    with pytest.raises(OptionError, match="expected no file named figures in it"):
        write(tmp_path, "a.csv", "figures/1.png")
    assert contents(tmp_path) == {"figures": "a file"}


def test_files_may_be_read_by_whom_the_user_lets(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with output_folder(tmp_path / "run") as folder:
            (folder / "trades.csv").write_text("new")
    finally:
        os.umask(before)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "run" / "trades.csv").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"a folder that can be written \(File name too long\)"):
        write(tmp_path / ("x" * 300), "trades.csv")
    assert list(tmp_path.iterdir()) == []

"""Sessions as they come: only what is complete is read, and a bad file stops nobody."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

import pandas as pd
import pytest
import structlog

from trading.data import load_sessions
from trading.data.intake import FileIntake, FolderIntake, Intake, intake_of
from trading.errors import InputError

NAMES = "session_id,arrival,departure,battery_capacity_wh,soc_arrival,need_wh"


def read(path: Path) -> pd.DataFrame:
    return load_sessions(path, format="peercharge").frame


def line(name: str, *, arrival: str = "2019-10-29T15:00:00Z") -> str:
    return f"{name},{arrival},2019-10-29T18:00:00Z,60000,0.3,12000"


def put(path: Path, text: str) -> None:
    """Write, and make sure that the change shows in the time of the file."""
    path.write_text(text, encoding="utf-8")
    stamp = path.stat().st_mtime_ns + 1_000_000 * (1 + path.stat().st_size)
    os.utime(path, ns=(stamp, stamp))


def ids(intake: Intake) -> list[str]:
    frame = intake.poll()
    return [] if frame is None else list(frame["session_id"])


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "sessions.csv"
    intake = FileIntake(path, read)
    assert ids(intake) == [], "it need not be there yet"
    put(path, NAMES)
    assert ids(intake) == []
    put(path, NAMES + "\n")
    assert ids(intake) == []
    whole = NAMES + "\n" + line("a") + "\n"
    put(path, whole + line("b")[:-2])
    assert ids(intake) == ["a"], "12000 is not to be read as 120"
    assert ids(intake) == [], "it did not change"
    put(path, whole + line("b") + "\n")
    assert ids(intake) == ["a", "b"]


@pytest.mark.parametrize("cut", range(1, len(line("b")) + 2, 7))
def test_nothing_half_written_is_ever_read(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "sessions.csv"
    put(path, NAMES + "\n" + line("a") + "\n" + (line("b") + "\n")[:-cut])
    assert ids(FileIntake(path, read)) == ["a"]


def test_a_bad_file_is_told_once_and_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "sessions.csv"
    intake = FileIntake(path, read)
    with structlog.testing.capture_logs() as logs:
        put(path, NAMES + "\n" + line("a").replace("60000", "many") + "\n")
        assert [ids(intake) for _ in range(3)] == [[], [], []]
    (told,) = [entry["problem"] for entry in logs]
    assert f"{path}: row 2, column 'battery_capacity_wh': found 'many'" in told
    put(path, NAMES + "\n" + line("a") + "\n")
    assert ids(intake) == ["a"]


def test_a_folder_takes_files_as_they_are_put_there(tmp_path: Path) -> None:
    intake = FolderIntake(tmp_path, read)
    assert ids(intake) == []
    put(tmp_path / "1.csv", NAMES + "\n" + line("a") + "\n")
    put(tmp_path / "2.csv", "nonsense\n1\n")
    put(tmp_path / ".hidden.csv", NAMES + "\n" + line("h") + "\n")
    put(tmp_path / "3.csv.part", NAMES + "\n" + line("p") + "\n")
    with structlog.testing.capture_logs() as logs:
        assert ids(intake) == ["a"]
        assert ids(intake) == []
    assert len(logs) == 1
    (tmp_path / "3.csv.part").rename(tmp_path / "3.csv")
    assert ids(intake) == ["p"]


def test_files_that_tell_of_one_session_come_one_after_the_other(tmp_path: Path) -> None:
    put(tmp_path / "1.csv", NAMES + "\n" + line("a") + "\n")
    put(tmp_path / "2.csv", NAMES + "\n" + line("a") + "\n" + line("b") + "\n")
    intake = FolderIntake(tmp_path, read)
    assert [ids(intake) for _ in range(3)] == [["a"], ["a", "b"], []]


def test_a_folder_that_goes_stops_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    intake = intake_of(folder, read)
    folder.rmdir()
    assert ids(intake) == []


def test_a_path_from_which_nothing_can_come_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither it nor its folder is there"):
        intake_of(tmp_path / "no" / "sessions.csv", read)


def test_a_disk_without_room_for_the_copy_is_told_once_and_the_file_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sessions.csv"
    put(path, NAMES + "\n" + line("a") + "\n")
    intake = FileIntake(path, read)
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
        assert [ids(intake) for _ in range(3)] == [[], [], []]
    (told,) = [entry["problem"] for entry in logs]
    assert f"{path}: cannot be read for now" in told
    assert ids(intake) == ["a"], "though it did not change"


def test_a_folder_that_cannot_be_looked_into_is_told_once_and_loses_nothing(
    tmp_path: Path,
) -> None:
    there, folder = tmp_path / "there", tmp_path / "in"
    there.mkdir()
    put(there / "1.csv", NAMES + "\n" + line("a") + "\n")
    folder.symlink_to(there)
    intake = FolderIntake(folder, read)
    assert ids(intake) == ["a"]
    folder.unlink()
    # The system refuses to follow this one, to root too.
    folder.symlink_to("a" * 300)
    with structlog.testing.capture_logs() as logs:
        assert [ids(intake) for _ in range(3)] == [[], [], []]
    (told,) = [entry["problem"] for entry in logs]
    assert f"{folder}: cannot be read" in told
    folder.unlink()
    folder.symlink_to(there)
    assert ids(intake) == [], "nothing changed meanwhile"
    put(there / "2.csv", NAMES + "\n" + line("b") + "\n")
    assert ids(intake) == ["b"]


def test_other_formats_are_read_whole(tmp_path: Path) -> None:
    acn = functools.partial(load_sessions, format="acn")
    path = tmp_path / "sessions.json"
    path.write_text('{"_items": [', encoding="utf-8")
    intake = FileIntake(path, lambda file: acn(file).frame)
    with structlog.testing.capture_logs() as logs:
        assert intake.poll() is None
    assert len(logs) == 1

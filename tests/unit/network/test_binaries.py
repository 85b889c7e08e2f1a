"""The cached binary is the one asked for, or it is built; where neither, one sentence says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading.errors import NodeError
from trading.network import ENGINES, build, cache_folder, find_binary
from trading.network.binaries import GoModule, binary_path, need_binary

MODULE = GoModule(
    name="node",
    module="example.org/node",
    package="example.org/node/cmd/node",
    version="v1.2.3",
    checksum="h1:abc=",
    toolchain="go1.20.14",
    flags=("-trimpath",),
)
GOOD = r"x\nmod\texample.org/node\tv1.2.3\th1:abc=\ny"
OTHER = r"x\nmod\texample.org/node\tv1.2.4\th1:abc=\ny"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PEERCHARGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put_go(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program named go on PATH, ahead of a real one."""
    folder.mkdir(exist_ok=True)
    go = folder / "go"
    go.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def builds(content: str) -> str:
    return f'printf \'{content}\' > "$GOBIN/node"; chmod +x "$GOBIN/node"; echo "$@" >> $SAID'


def test_second_build_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = tmp_path / "said"
    monkeypatch.setenv("SAID", str(said))
    put_go(tmp_path / "bin", monkeypatch, builds(GOOD))
    assert find_binary(MODULE) is None
    path = build(MODULE)
    assert path == binary_path(MODULE) == find_binary(MODULE) == need_binary(MODULE)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert build(MODULE) == path
    assert (
        said.read_text(encoding="utf-8") == "install -trimpath example.org/node/cmd/node@v1.2.3\n"
    )
    assert [file.name for file in path.parent.iterdir() if file.name != ".lock"] == ["node"]


def test_toolchain_of_the_module_builds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_go(
        tmp_path / "bin",
        monkeypatch,
        'test "$GOTOOLCHAIN" = go1.20.14 && test "$GOWORK" = off || exit 1; '
        f"SAID=/dev/null; {builds(GOOD)}",
    )
    assert build(MODULE).is_file()


def test_another_version_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_go(tmp_path / "bin", monkeypatch, f"SAID=/dev/null; {builds(OTHER)}")
    with pytest.raises(NodeError, match=r"something else than example.org/node v1\.2\.3"):
        build(MODULE)
    assert find_binary(MODULE) is None


def test_binary_of_another_version_is_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = binary_path(MODULE)
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    old.chmod(0o755)
    assert find_binary(MODULE) is None
    old.write_text(OTHER.encode().decode("unicode_escape"), encoding="utf-8")
    assert find_binary(MODULE) is None
    put_go(tmp_path / "bin", monkeypatch, f"SAID=/dev/null; {builds(GOOD)}")
    assert build(MODULE) == old == find_binary(MODULE)


def test_build_says_what_go_said_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_go(
        tmp_path / "bin", monkeypatch, "echo go: downloading x >&2; echo no such proxy >&2; exit 1"
    )
    with pytest.raises(NodeError, match="no such proxy") as caught:
        build(MODULE)
    assert "downloading" not in str(caught.value)


def test_build_says_how_to_get_go_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(NodeError, match=r"needs Go 1\.21 or newer on PATH"):
        build(MODULE)


def test_use_says_how_to_build_when_nothing_is_built() -> None:
    with pytest.raises(NodeError, match="peercharge network build"):
        need_binary(MODULE)


def test_build_says_so_when_the_cache_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("PEERCHARGE_CACHE", str(tmp_path / "file"))
    put_go(tmp_path / "bin", monkeypatch, builds(GOOD))
    with pytest.raises(NodeError, match="cannot be written"):
        build(MODULE)


def test_cache_is_in_the_home_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PEERCHARGE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder().is_relative_to(tmp_path)
    assert cache_folder().name == "peercharge"


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_is_pinned_to_one_version(name: str) -> None:
    module = ENGINES[name].module
    assert module.version.startswith("v")
    assert module.checksum.startswith("h1:")
    assert module.package.startswith(module.module)
    assert "rpc" in ENGINES[name].ports

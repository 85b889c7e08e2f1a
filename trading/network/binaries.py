"""The engine's binary: built once from its Go module, kept outside the repository, known again.

A binary that Go built says which module it was built from, with version and checksum. A cached one
is used only when it says what was asked for, so neither an old one nor one that was cut short is.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trading.errors import NodeError

CACHE_VARIABLE = "PEERCHARGE_CACHE"
BUILD_COMMAND = "peercharge network build"
BUILD_TIMEOUT_S = 1_800.0

_NO_GO = (
    "building {name} needs Go 1.21 or newer on PATH (it fetches the release that the engine asks "
    "for, {toolchain}, by itself); install Go from your system's packages or its website, then run "
    f"`{BUILD_COMMAND}` again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoModule:
    """One program, exactly: which module, which version, and with which Go it is built.

    Attributes:
        name: what the binary is called.
        module: path of the Go module.
        package: path of the package in it that is the program.
        version: with the leading `v`.
        checksum: of the module's content, as `go.sum` writes it.
        toolchain: the release of Go that builds it.
        flags: further options of `go install`.
    """

    name: str
    module: str
    package: str
    version: str
    checksum: str
    toolchain: str
    flags: tuple[str, ...] = ()


def cache_folder() -> Path:
    """Where binaries are kept: $PEERCHARGE_CACHE, else the cache folder of the platform.

    Raises:
        NodeError: there is neither that variable nor a home folder.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    try:
        home = Path.home()
    except RuntimeError:
        raise NodeError(
            f"this account has no home folder to keep binaries in; set {CACHE_VARIABLE} to a "
            "folder that can be written."
        ) from None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "peercharge"
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else home / ".cache") / "peercharge"


def binary_path(module: GoModule) -> Path:
    """Where the binary of a module is or will be; the folder tells version and machine."""
    release = f"{module.name}-{module.version.removeprefix('v')}"
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return cache_folder() / "bin" / f"{release}-{machine}" / module.name


def find_binary(module: GoModule) -> Path | None:
    """The cached binary of a module, or None when there is none or it is not that module."""
    path = binary_path(module)
    return path if is_of(path, module) else None


def need_binary(module: GoModule) -> Path:
    """The cached binary of a module.

    Raises:
        NodeError: it has not been built; says how.
    """
    found = find_binary(module)
    if found is None:
        raise NodeError(
            f"{module.name} {module.version} is not built yet; run `{BUILD_COMMAND}` once (it "
            f"needs Go and takes some minutes), or set {CACHE_VARIABLE} to where it is."
        )
    return found


def is_of(path: Path, module: GoModule) -> bool:
    """Whether the file is a program that Go built from exactly this module."""
    if not os.access(path, os.X_OK) or not path.is_file() or path.stat().st_size == 0:
        return False
    wanted = "\t".join(("mod", module.module, module.version, module.checksum)).encode() + b"\n"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(wanted) >= 0


def build(module: GoModule) -> Path:
    """Build the binary of a module unless it is there; returns its path.

    Go checks the sources it fetches against its checksum database, the result is checked against
    the checksum that is written down here, and only then it gets its final name.

    Raises:
        NodeError: Go is missing or too old, the build fails or gives something else, or the cache
            cannot be written.
    """
    found = find_binary(module)
    if found is not None:
        return found
    go = shutil.which("go")
    if go is None:
        raise NodeError(_NO_GO.format(name=module.name, toolchain=module.toolchain))
    target = binary_path(module)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if is_of(target, module):
                # Another process has built it while this one waited.
                return target
            _build_into(target, module, go)
    except OSError as error:
        raise NodeError(
            f"the cache {target.parent} cannot be written ({error}); set {CACHE_VARIABLE} to a "
            "folder that can."
        ) from error
    return target


def _build_into(target: Path, module: GoModule, go: str) -> None:
    # Beside its final place, so that one step moves it there.
    with tempfile.TemporaryDirectory(prefix=".build-", dir=target.parent) as folder:
        built = Path(folder) / module.name
        _install(go, module, built.parent)
        if not is_of(built, module):
            raise NodeError(
                f"go installed something else than {module.module} {module.version} with the "
                f"checksum {module.checksum}; the cache was left as it was. Check GOFLAGS, "
                "GOPROXY and any go.work of this machine."
            )
        built.replace(target)


def _install(go: str, module: GoModule, folder: Path) -> None:
    command = [go, "install", *module.flags, f"{module.package}@{module.version}"]
    environment = os.environ | {
        "GOTOOLCHAIN": module.toolchain,
        "GOBIN": str(folder),
        # What a workspace or another target platform of the caller asks for is not for this.
        "GOWORK": "off",
        "GOOS": "",
        "GOARCH": "",
    }
    try:
        done = _run(command, environment, folder)
    except subprocess.TimeoutExpired:
        raise NodeError(
            f"`{' '.join(command)}` did not end within {BUILD_TIMEOUT_S / 60:.0f} min; run "
            f"`{BUILD_COMMAND}` again, what was fetched is kept."
        ) from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if "downloading" not in line]
        raise NodeError(
            f"{module.name} {module.version} cannot be built with {module.toolchain}; "
            f"`{' '.join(command)}` said:\n" + "\n".join(said[-8:])
        )


def _run(
    command: Sequence[str], environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment,
        # A go.mod of the caller's folder could name another toolchain.
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )

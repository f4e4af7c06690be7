"""What is installed, and on what machine: versions, devices, threads, folders, and what to mend. Asks no network, runs no model.

Facts are gathered here and judged here; printing is the command's affair.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from eegora.check.verdict import Finding

PYTHON = (3, 11)
# Packages that MNE asks for when it meets such a file.
READERS = {
    "pymatreader": "EEGLAB .set files of MATLAB 7.3",
    "mffpy": "EGI .mff",
    "antio": "ANT .cnt",
    "curryreader": "Curry .cdt",
    "pymef": "MEF3 .mefd",
    "defusedxml": "NEDF",
    "neo": "Neuralynx",
    "h5py": "SNIRF",
}
LEAST_FREE = 5 * 10**9  # bytes: the largest published checkpoints with room for a recording's windows
TORCH_PAGE = "the build for it from https://pytorch.org/get-started/locally/"


@dataclass(frozen=True)
class Folder:
    """A folder that eegora reads or writes.

    Parameters
    ----------
    path : str
    exists, writable : bool
        One that is not there is writable if it could be made.
    bytes : int
        Of the files in it.
    free : int
        Bytes free on its disk.
    """

    path: str
    exists: bool
    writable: bool
    bytes: int
    free: int


@dataclass(frozen=True)
class Health:
    """What was found.

    Parameters
    ----------
    facts : dict
        Plain data: ``versions``, ``machine``, ``devices``, ``threads``, ``folders``, ``network``.
    findings : tuple of Finding
        ``warning`` and ``error`` are to be mended.
    """

    facts: Mapping[str, Any]
    findings: tuple[Finding, ...]

    @property
    def to_mend(self) -> tuple[Finding, ...]:
        """The findings that want something done."""
        return tuple(f for f in self.findings if f.severity in ("warning", "error"))

    @property
    def exit_code(self) -> int:
        """What a command leaves with: 0, or 1 if something is to be mended."""
        return 1 if self.to_mend else 0

    def __str__(self) -> str:
        """Return the verdict in one line."""
        broken = [f.code for f in self.findings if f.severity == "error"]
        if broken:
            return f"eegora cannot work here: {', '.join(broken)}"
        if self.to_mend:
            return f"eegora works here, with something to mend: {', '.join(f.code for f in self.to_mend)}"
        return "eegora works here; nothing to mend"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        findings = [asdict(f) for f in self.findings]
        return {"verdict": str(self), "exit_code": self.exit_code, "findings": findings, **self.facts}


def examine() -> Health:
    """Look at the installation and the machine."""
    versions, findings = _packages()
    torch, broken = _torch()
    findings += broken
    devices: dict[str, Any] = {"driver_cuda": driver_cuda(), "cuda": [], "mps": False, "torch_cuda": None}
    threads: dict[str, Any] = {"cores": _cores(), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")}
    if torch is not None:
        versions["torch"] = str(torch.__version__)
        devices |= _devices(torch)
        threads |= {"torch": torch.get_num_threads(), "blas": _blas(torch), "blas of numpy": _numpy_blas()}
        findings += judge_gpu(devices["driver_cuda"], devices["torch_cuda"], devices["hip"], len(devices["cuda"]))
        findings += judge_threads(threads["cores"], threads["torch"])
    folders = {name: look_into(path, count=name != "temporary") for name, path in _folders().items()}
    findings += judge_folders(folders)
    network, about = _network()
    findings += [*about, *_readers()]
    facts = {
        "versions": versions,
        "machine": _machine(),
        "devices": devices,
        "threads": threads,
        "folders": {name: asdict(folder) for name, folder in folders.items()},
        "network": network,
    }
    return Health(facts, tuple(findings))


def _packages() -> tuple[dict[str, str | None], list[Finding]]:
    """Hold the installed packages against what eegora's own record asks for."""
    found: dict[str, str | None] = {"eegora": None, "python": platform.python_version()}
    findings = []
    if sys.version_info < PYTHON:
        findings.append(Finding("error", "python", f"Python {found['python']} is too old", "Python 3.11 or newer"))
    try:
        found["eegora"], wanted = metadata.version("eegora"), metadata.requires("eegora") or []
    except metadata.PackageNotFoundError:
        sentence = "eegora runs from its source folder: what it needs is not recorded"
        return found, [*findings, Finding("note", "not_installed", sentence, "pip install . in the folder")]
    absent: dict[str, list[str]] = {}
    for line in wanted:
        requirement, _, marker = line.partition(";")
        name, least = re.match(r"\s*([\w.-]+)[^>]*(?:>=\s*([\d.]+))?", requirement).groups()  # type: ignore[union-attr]
        extra = re.search(r"extra\s*==\s*['\"](\w+)", marker)
        have = _version(name)
        if extra is None:
            found[name] = have
            findings += judge_package(name, have, least)
        elif have is None:
            absent.setdefault(extra[1], []).append(name)
    for extra_name, names in sorted(absent.items()):
        if extra_name not in ("dev", "docs"):
            next_step = f"pip install 'eegora[{extra_name}]' if you want it"
            findings.append(Finding("note", f"extra_{extra_name}", f"not installed: {', '.join(names)}", next_step))
    return found, findings


def judge_package(name: str, have: str | None, least: str | None) -> list[Finding]:
    """Say whether a package that is needed is there, and new enough."""
    if have is None:
        return [Finding("error", name, f"{name} is not installed", f"pip install {name}")]
    if least is not None and _numbers(have) < _numbers(least):
        return [Finding("error", name, f"{name} {have} is too old", f"pip install --upgrade '{name}>={least}'")]
    return []


def judge_gpu(driver: tuple[int, int] | None, built: str | None, hip: str | None, n_devices: int) -> list[Finding]:
    """Hold the graphics driver against torch's build.

    Parameters
    ----------
    driver : tuple of int or None
        The newest CUDA that the driver takes, (major, minor); None without a driver.
    built : str or None
        The CUDA that torch was built with; None for other builds.
    hip : str or None
        The ROCm that torch was built with.
    n_devices : int
        That torch can use.
    """
    if n_devices:
        return []
    if driver is None:
        if built is None:
            return []
        sentence = f"torch was built for CUDA {built}, there is no NVIDIA driver: the CPU is used"
        return [Finding("note", "no_driver", sentence, "nothing; a CPU build of torch would be smaller")]
    told = f"the NVIDIA driver takes CUDA up to {driver[0]}.{driver[1]}"
    if built is None:
        kind = "for ROCm" if hip else "for the CPU alone"
        return [Finding("warning", "cpu_build", f"{told}, but torch was built {kind}", f"install {TORCH_PAGE}")]
    if _numbers(built)[0] > driver[0]:
        sentence = f"torch was built for CUDA {built}, {told}: the wheel is newer than the driver"
        return [Finding("warning", "driver_too_old", sentence, f"update the driver, or install {TORCH_PAGE}")]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    why = "" if hidden is None else f" (CUDA_VISIBLE_DEVICES={hidden!r})"
    next_step = "unset CUDA_VISIBLE_DEVICES" if hidden is not None else "nvidia-smi tells what the driver sees"
    return [Finding("warning", "no_device", f"{told}, but torch sees no device{why}", next_step)]


def judge_threads(cores: int, threads: int) -> list[Finding]:
    """Say whether torch uses as many threads as this process has cores."""
    if threads > cores:
        sentence = f"torch uses {threads} threads on {cores} cores: they wait for each other"
        return [Finding("warning", "threads", sentence, f"--threads {cores}, or OMP_NUM_THREADS={cores}")]
    if threads < cores // 2:
        sentence = f"torch uses {threads} of {cores} cores"
        return [Finding("note", "threads", sentence, "--threads N, if nothing else needs them")]
    return []


def judge_folders(folders: Mapping[str, Folder]) -> list[Finding]:
    """Say which folders cannot be written to, or are on a full disk."""
    found = []
    for name, folder in folders.items():
        if name == "bundle":  # is read only
            if not folder.exists:
                told = f"EEGORA_BUNDLE names {folder.path}, which is not there"
                found.append(Finding("warning", "bundle", told, "eegora fetch MODEL --to DIR makes one"))
            continue
        if not folder.writable:
            told = f"{name}: {folder.path} cannot be written to"
            found.append(Finding("warning", "not_writable", told, _INSTEAD.get(name, "mend its rights")))
        elif folder.free < LEAST_FREE:
            told = f"{name}: {folder.free / 1e9:.1f} GB free on the disk of {folder.path}"
            found.append(Finding("warning", "disk", told, _INSTEAD.get(name, "make room")))
    return found


_INSTEAD = {
    "hub": "HF_HOME=DIR with a folder that has room, or --hf-cache DIR",
    "temporary": "TMPDIR=DIR with a folder that has room",
}


def look_into(path: Path, *, count: bool = True) -> Folder:
    """Measure a folder; links are not followed, and files are counted only if wanted."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    total = 0
    for root, _, files in os.walk(path) if count else ():
        for name in files:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except OSError:  # gone meanwhile
                continue
    writable = there.is_dir() and os.access(there, os.W_OK)
    return Folder(str(path), path.is_dir(), writable, total, shutil.disk_usage(there).free)


def driver_cuda() -> tuple[int, int] | None:
    """Return the newest CUDA that the NVIDIA driver takes, or None without one; starts nothing on the device."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        number = ctypes.c_int()
        if library.cuDriverGetVersion(ctypes.byref(number)):
            return None
    except (OSError, AttributeError):
        return None
    return number.value // 1000, number.value % 1000 // 10


def _torch() -> tuple[ModuleType | None, list[Finding]]:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: one of its libraries cannot be loaded
        told = f"torch cannot be imported: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        return None, [Finding("error", "torch", told, f"install {TORCH_PAGE}")]
    return torch, []


def _devices(torch: Any) -> dict[str, Any]:
    cuda = []
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            seen = torch.cuda.get_device_properties(i)
            cuda.append({"name": seen.name, "memory_gib": round(seen.total_memory / 2**30, 1)})
    mps = bool(torch.backends.mps.is_available())
    return {"cuda": cuda, "mps": mps, "torch_cuda": torch.version.cuda, "hip": torch.version.hip}


def _blas(torch: Any) -> str:
    found = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    onednn = " with oneDNN" if torch.backends.mkldnn.is_available() else ""
    return f"{found[1] if found else 'unknown'}{onednn}"


def _numpy_blas() -> str:
    import numpy as np

    built: Any = np.show_config(mode="dicts")
    return str(built.get("Build Dependencies", {}).get("blas", {}).get("name", "unknown"))


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _machine() -> dict[str, Any]:
    try:
        memory: float | None = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        memory = None
    return {"system": platform.platform(), "processor": platform.machine(), "memory_gib": memory}


def _folders() -> dict[str, Path]:
    """Name the folders that are read and written beside the user's own."""
    from platformdirs import user_cache_path

    from eegora.checkpoints.fingerprints import user_store
    from eegora.checkpoints.hub import cache_folder

    found = {
        "hub": cache_folder(),
        "timings": user_cache_path("eegora", appauthor=False),
        "fingerprints": user_store().parent,
        "temporary": Path(tempfile.gettempdir()),
    }
    bundle = os.environ.get("EEGORA_BUNDLE")
    return found | ({"bundle": Path(bundle).expanduser()} if bundle else {})


def _network() -> tuple[dict[str, Any], list[Finding]]:
    """Say what the environment tells about the hub, without asking it."""
    from eegora.checkpoints.hub import endpoint, offline_by_environment

    offline = offline_by_environment()
    said = {"hub": endpoint(), "offline": offline, "token": bool(os.environ.get("HF_TOKEN"))}
    if not offline:
        return said, []
    sentence = "HF_HUB_OFFLINE is set: checkpoints come from files, a bundle or the hub's cache alone"
    return said, [Finding("note", "offline", sentence)]


def _readers() -> list[Finding]:
    absent = {name: what for name, what in READERS.items() if find_spec(name) is None}
    if not absent:
        return []
    told = "; ".join(f"{what}: {name}" for name, what in absent.items())
    return [
        Finding("note", "readers", f"formats whose reader is not installed: {told}", "pip install NAME if you want")
    ]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``2.13.0+cpu`` → (2, 13, 0)."""
    leading: Iterable[str] = re.match(r"[\d.]*", version)[0].split(".")  # type: ignore[index]
    return tuple(int(part) for part in leading if part)

"""What memory cannot hold is refused in one line, by what the system says is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eegora.errors import RecordingError
from eegora.recordings import fits
from eegora.recordings.read import to_signal
from eegora.recordings.synthetic import synthetic_raw

KB = 1024


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 5000 kB left, and a process two groups deep."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 4000 kB\nSwapFree: 1000 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("1:name=x:/\n0::/jobs/mine\n")
    (tmp_path / "cgroup/jobs/mine").mkdir(parents=True)
    monkeypatch.setattr(fits, "PROC", tmp_path / "proc")
    monkeypatch.setattr(fits, "CGROUPS", tmp_path / "cgroup")
    return tmp_path


def limit(folder: Path, most: str, taken: int, file: int) -> None:
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{taken}\n")
    (folder / "memory.stat").write_text(f"anon {taken - file}\nfile {file}\n")


def test_what_is_left_is_the_machines_or_the_least_of_the_groups(machine: Path) -> None:
    assert fits.free_memory() == 5000 * KB
    limit(machine / "cgroup/jobs/mine", "max", 10, 0)
    assert fits.free_memory() == 5000 * KB
    limit(machine / "cgroup/jobs", str(3000 * KB), 1000 * KB, 400 * KB)
    assert fits.free_memory() == 2400 * KB
    limit(machine / "cgroup/jobs/mine", str(100), 300, 0)
    assert fits.free_memory() == 0


def test_groups_of_the_first_version_count_too(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("9:cpu:/jobs\n4:memory:/not/seen/from/inside\n")
    folder = machine / "cgroup/memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (folder / "memory.usage_in_bytes").write_text("1000\n")
    (folder / "memory.stat").write_text("cache 5\ntotal_cache 600\n")
    assert fits.free_memory() == 5000 * KB
    (folder / "memory.limit_in_bytes").write_text("2000\n")
    assert fits.free_memory() == 1600


def test_elsewhere_it_is_the_machines_memory_or_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "PROC", tmp_path)
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}[name])
    assert fits.free_memory() == 4_096_000
    monkeypatch.delattr("os.sysconf")
    assert fits.free_memory() is None
    fits.check_fits("x", 10**15)  # nobody knows


def test_a_recording_that_does_not_fit_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = synthetic_raw(20, 0)
    n_bytes = 8 * len(raw.ch_names) * raw.n_times
    monkeypatch.setattr(fits, "free_memory", lambda: 2 * n_bytes - 1)
    to_signal(raw, name="small")  # nobody asks
    monkeypatch.setattr(fits, "LIMIT", 1000)
    monkeypatch.setattr(raw, "get_data", lambda **options: pytest.fail("read"))
    with pytest.raises(RecordingError, match=r"night\.edf: .* GB are free.*parts.*too_large"):
        to_signal(raw, name="night.edf")
    monkeypatch.undo()
    monkeypatch.setattr(fits, "LIMIT", 1000)
    monkeypatch.setattr(fits, "free_memory", lambda: 2 * n_bytes)
    assert np.isfinite(to_signal(raw).data).all()


def test_what_is_there_already_does_not_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "free_memory", lambda: 4 * 10**9)
    fits.check_fits("x", 10**9, 5, there=1)
    with pytest.raises(RecordingError, match="take about 5 GB of memory here, 4 GB are free"):
        fits.check_fits("x", 10**9, 5)

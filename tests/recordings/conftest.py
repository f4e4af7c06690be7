from pathlib import Path

import numpy as np
import pytest

CASES = Path(__file__).parents[1] / "data" / "recordings" / "cases"


@pytest.fixture
def case():
    """The path of one of the small files, good and bad."""
    return lambda name: CASES / name


@pytest.fixture
def make_edf(tmp_path):
    """Write EDF or BDF files, rightly or wrongly."""
    return lambda name="made.edf", **wrong: _write_edf(tmp_path / name, **wrong)


def trace(label, n_samples=256, unit="uV", *, physical=(-500, 500), digital=(-32768, 32767)):
    return {"label": label, "n": n_samples, "unit": unit, "physical": physical, "digital": digital}


@pytest.fixture
def signal_of():
    return trace


def wave(seconds, n_samples, channel):
    """Microvolts of a channel at `n_samples` Hz: a 7 Hz wave, another phase in each channel, on a slow 20 µV one."""
    t = np.arange(seconds * n_samples) / n_samples
    return 20 * np.sin(2 * np.pi * 7 * t + channel) + 20 * np.sin(2 * np.pi * t + channel / 2)


@pytest.fixture
def expected_wave():
    return wave


def _write_edf(path, traces, *, n_records=4, record_s="1", stated=None, reserved="", tals=None, bdf=False):
    """`tals`: bytes for each record's annotation signal of 120 bytes."""
    traces = list(traces)
    n_tal = 60 if not bdf else 40
    if tals is not None:
        kind = "BDF" if bdf else "EDF"
        traces.append(trace(f"{kind} Annotations", n_tal, "", physical=(-1, 1)))

    def text(value, width):
        raw = value if isinstance(value, bytes) else str(value).encode("latin-1")
        return raw.ljust(width)[:width]

    n = len(traces)
    head = b"\xffBIOSEMI" if bdf else b"0       "
    head += text("X X X X", 80) + text("Startdate X X X X", 80) + b"01.01.2401.00.00"
    head += text(256 * (n + 1), 8) + text(reserved, 44)
    head += text(n_records if stated is None else stated, 8) + text(record_s, 8) + text(n, 4)
    columns = [
        [text(s["label"], 16) for s in traces],
        [text("", 80)] * n,
        [text(s["unit"], 8) for s in traces],
        [text(s["physical"][0], 8) for s in traces],
        [text(s["physical"][1], 8) for s in traces],
        [text(s["digital"][0], 8) for s in traces],
        [text(s["digital"][1], 8) for s in traces],
        [text("", 80)] * n,
        [text(s["n"], 8) for s in traces],
        [text("", 32)] * n,
    ]
    body = []
    for record in range(n_records):
        for i, s in enumerate(traces):
            if tals is not None and i == n - 1:
                body.append(tals[record].ljust(120, b"\0"))
                continue
            microvolts = wave(n_records, s["n"], i)[record * s["n"] : (record + 1) * s["n"]]
            counts = np.rint(microvolts / 1000 * 65535 - 0.5).astype("<i4")
            raw = counts.astype("<i2") if not bdf else counts
            body.append(raw.tobytes() if not bdf else raw.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    path.write_bytes(head + b"".join(b"".join(column) for column in columns) + b"".join(body))
    return path

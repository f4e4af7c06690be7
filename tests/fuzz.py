"""Damaged recordings through the reader, many times: ``make fuzz``, or ``python tests/fuzz.py --only N`` for one again.

Each file is a committed small recording with one seeded damage. A finding is a traceback, a warning that leaks out, a
hang, or silent success on garbage: data that are not finite, a rate or amplitude no EEG has without a note about it, or
a damage that contradicts the rest of the file (a count, a length, a column) and changes the data without a note.
"""

import argparse
import faulthandler
import json
import platform
import resource
import signal
import struct
import sys
import tempfile
import warnings
from collections import Counter
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from eegora.errors import EegoraError
from eegora.recordings.checks import PLAUSIBLE_RATE_HZ, PLAUSIBLE_STD_V, stds
from eegora.recordings.read import load_signal, read_recording
from eegora.recordings.table_facts import MARK
from eegora.recordings.tables_write import write_table

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "data" / "recordings" / "cases"
BASES = {
    "edf": ("ok4.edf", "mixed_rates_annot.edf", "tcp_bipolar.edf", "units_mV.edf", "trunc_data.edf"),
    "bdf": ("bdf24.bdf",),
    "fif": ("double_raw.fif", "gap_raw.fif", "mixed_types_raw.fif", "no_positions_raw.fif", "epochs-epo.fif"),
    "csv": ("comment.csv", "ms_time.csv", "semicolon_comma.csv", "gap.csv", "uv.csv", "exported double_raw.fif"),
}
EXPORTED = "exported "  # what `eegora export` makes of the file
SECONDS = 10.0  # per file; the slowest whole one takes a tenth of a second
NUMBERS = ("0", "-1", "1", "nan", "inf", "-inf", "1e308", "1e-308", "99999999", "-9999999", "", "abc", "1e9", "0x10")
NUMBERS += ("1.5", "2,5", "\0", "1_0", "७", "+-1", "1e-9", "7", "256", "512", "255")


@cache
def content_of(base):
    """Return the bytes of an undamaged file."""
    if not base.startswith(EXPORTED):
        return (CASES / base).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        write_table(read_recording(CASES / base.removeprefix(EXPORTED)), Path(folder) / "exported.csv")
        return (Path(folder) / "exported.csv").read_bytes()


class Hang(BaseException):
    """A file took too long. No Exception, so that nobody swallows it."""


# ---------------------------------------------------------------- damages
# Each takes (rng, content) and returns (content, what was done, whether it contradicts the rest of the file).


def flip_bits(rng, content, end=None):
    end, content = end or len(content), bytearray(content)
    places = rng.integers(0, end, rng.integers(1, 9))
    for at in places:
        content[at] ^= 1 << int(rng.integers(8))
    return bytes(content), f"flipped a bit at {sorted(map(int, places))}", False


def overwrite(rng, content, end=None):
    end = end or len(content)
    at, n = int(rng.integers(end)), int(rng.integers(1, 40))
    fill = [bytes(n), b"\xff" * n, b" " * n, rng.bytes(n)][rng.integers(4)]
    return content[:at] + fill + content[at + n :], f"{n} bytes at {at} became {fill[:4]!r}…", False


def truncate(rng, content):
    at = int(rng.integers(len(content)))
    return content[:at], f"cut after {at} of {len(content)} bytes", True


def append(rng, content):
    n = int(rng.integers(1, 5000))
    return content + rng.bytes(n), f"{n} bytes appended", True


def delete(rng, content):
    at, n = int(rng.integers(len(content))), int(rng.integers(1, 2000))
    return content[:at] + content[at + n :], f"{n} bytes deleted at {at}", True


def double(rng, content):
    at, n = int(rng.integers(len(content))), int(rng.integers(1, 2000))
    part = content[at : at + n]
    return content[:at] + part + content[at:], f"{len(part)} bytes doubled at {at}", True


def in_header(damage):
    """Damage the first bytes only: there a bit counts most."""

    def act(rng, content):
        return damage(rng, content, min(len(content), 2048))

    act.__name__ = f"{damage.__name__}_header"
    return act


FIXED = {"version": (0, 8), "header bytes": (184, 8), "reserved": (192, 44), "records": (236, 8)}
FIXED |= {"record seconds": (244, 8), "signals": (252, 4)}
PER_SIGNAL = {"label": 16, "transducer": 80, "unit": 8, "physical minimum": 8, "physical maximum": 8}
PER_SIGNAL |= {"digital minimum": 8, "digital maximum": 8, "prefilter": 80, "samples": 8}
COUNTED = ("header bytes", "records", "signals", "samples")


def edf_field(rng, content):
    n_signals = int(content[252:256])
    fields = {**FIXED, **PER_SIGNAL}
    name = list(fields)[rng.integers(len(fields))]
    if name in FIXED:
        at, width = FIXED[name]
    else:
        before = list(PER_SIGNAL)[: list(PER_SIGNAL).index(name)]
        width = PER_SIGNAL[name]
        at = 256 + n_signals * sum(PER_SIGNAL[b] for b in before) + width * int(rng.integers(n_signals))
    words = (*NUMBERS, "EEG Fp1-REF", "Cz", "uV", "\xb5V", "mV", "%", "EDF+D", "EDF+C", "EDF Annotations", "Status")
    text = words[rng.integers(len(words))]
    old, new = content[at : at + width], text.encode("latin-1", "replace").ljust(width)[:width]
    return content[:at] + new + content[at + width :], f"{name} {old!r} → {new!r}", name in COUNTED and differ(old, new)


def differ(old, new):
    """Whether two texts are not the same number."""
    try:
        return int(float(old)) != int(float(new))
    except (ValueError, OverflowError):
        return True


def fif_tags(content):
    """Places of the tags, one after the other."""
    at, places = 0, []
    while at + 16 <= len(content):
        _, _, size, following = struct.unpack(">iiii", content[at : at + 16])
        places.append(at)
        if following < 0 or size < 0:
            break
        at = following or at + 16 + size
    return places


def fif_tag(rng, content):
    places = fif_tags(content)
    at = places[rng.integers(len(places))]
    field = int(rng.integers(4))
    old = struct.unpack(">i", content[at + 4 * field : at + 4 * field + 4])[0]
    others = (0, 1, -1, old + 1, old - 1, old * 2, old // 2, 2**31 - 1, -(2**31), 200, 201, 300, 301, 4, 21)
    new = int(others[rng.integers(len(others))])
    new = (new + 2**31) % 2**32 - 2**31
    packed = struct.pack(">i", new)
    name = ("kind", "type", "size", "next")[field]
    done = content[: at + 4 * field] + packed + content[at + 4 * field + 4 :]
    return done, f"{name} of the tag at {at}: {old} → {new}", False


def fif_payload(rng, content):
    places = [at for at in fif_tags(content) if struct.unpack(">i", content[at + 8 : at + 12])[0] > 0]
    small = [at for at in places if struct.unpack(">i", content[at + 8 : at + 12])[0] <= 96]
    at = small[rng.integers(len(small))]
    size = struct.unpack(">i", content[at + 8 : at + 12])[0]
    start, n = at + 16 + int(rng.integers(size)), int(rng.integers(1, 5))
    numbers = [struct.pack(">f", x) for x in (0, -1, np.nan, np.inf, 1e30, 1e-30, 256.5)]
    if rng.integers(2) and size >= 4:
        start = at + 16 + 4 * int(rng.integers(size // 4))
        fill = [*numbers, *(struct.pack(">i", x) for x in (0, -1, 2, 2**31 - 1))][rng.integers(len(numbers) + 4)]
    else:
        fill = rng.bytes(n)
    kind = struct.unpack(">i", content[at : at + 4])[0]
    return content[:start] + fill + content[start + len(fill) :], f"payload of tag {kind} at {at}: {fill!r}", False


def csv_line(rng, content):
    lines = content.splitlines(keepends=True)
    i = int(rng.integers(1, len(lines) - 1))
    act = ("delete", "double", "swap", "text")[rng.integers(4)]
    if act == "delete":
        lines = lines[:i] + lines[i + int(rng.integers(1, 5)) :]
    elif act == "double":
        lines.insert(i, lines[i])
    elif act == "swap":
        j = int(rng.integers(1, len(lines)))
        lines[i], lines[j] = lines[j], lines[i]
    else:
        lines.insert(i, rng.bytes(int(rng.integers(1, 60))).replace(b"#", b"x") + b"\n")
    # Every base has a time column: a row that is gone, twice there or out of place contradicts it, away from the ends.
    inside = 4 <= i < len(lines) - 8 and act != "text"
    return b"".join(lines), f"{act} line {i + 1}", inside and b"".join(lines) != content


def csv_cell(rng, content):
    lines = content.splitlines(keepends=True)
    i = int(rng.integers(len(lines))) if rng.integers(3) else int(rng.integers(min(4, len(lines))))
    mark = b";" if b";" in lines[i] else b","
    cells = lines[i].rstrip(b"\r\n").split(mark)
    j = int(rng.integers(len(cells)))
    words = (*NUMBERS, "time", "Fp1", "Cz", '"', "# x", "ECG", "-", "1e400", "1" * 400, "ms", "Fp1 [uV]", "Fp1 (m")
    old, new = cells[j], words[rng.integers(len(words))].encode()
    act = ("set", "add", "remove")[rng.integers(3)]
    if act == "set":
        cells[j] = new
    elif act == "add":
        cells.insert(j, new)
    else:
        del cells[j]
    lines[i] = mark.join(cells) + b"\n"
    # A row with more or fewer cells contradicts the others (unless it is a comment).
    odd = act != "set" and not lines[i].lstrip().startswith(b"#") and len(cells) > 0 and not content.startswith(b"#")
    return b"".join(lines), f"{act} cell {j + 1} of line {i + 1}: {old[:20]!r}, {new[:20]!r}", odd


def csv_fact(rng, content):
    """Set one value in the comment of an exported table."""
    first, _, rest = content.partition(b"\n")
    if not first.startswith(MARK.encode()):
        return csv_cell(rng, content)
    facts = json.loads(first[len(MARK) :])
    leaves = [(facts, key) for key in facts]
    for parent, key in leaves:  # grows while it is walked
        below = parent[key]
        if isinstance(below, dict | list):
            leaves += [(below, k) for k in (below if isinstance(below, dict) else range(len(below)))]
    parent, key = leaves[rng.integers(len(leaves))]
    values = (
        None,
        0,
        -1,
        1e308,
        2**70,
        "",
        "abc",
        [],
        {},
        True,
        [1, 2],
        {"a": 1},
        float("nan"),
        1e-300,
        7,
        "eeg",
        "stim",
    )
    old, parent[key] = parent[key], values[rng.integers(len(values))]
    return MARK.encode() + json.dumps(facts).encode() + b"\n" + rest, f"{key}: {old!r:.40} → {parent[key]!r}", False


ANY = (flip_bits, overwrite, truncate, append, delete, double, in_header(flip_bits), in_header(overwrite))
DAMAGES = {
    "edf": (*ANY, edf_field, edf_field, edf_field, edf_field),
    "bdf": (*ANY, edf_field, edf_field, edf_field, edf_field),
    "fif": (*ANY, fif_tag, fif_tag, fif_payload, fif_payload),
    "csv": (flip_bits, overwrite, truncate, in_header(flip_bits), csv_line, csv_line, csv_cell, csv_cell, csv_fact),
}
# Bytes that a table may lose or gain without anybody being able to tell.
UNTELLING = {"csv": ("truncate",)}


# ---------------------------------------------------------------- judging


def damaged(seed, number):
    """Return format, base file, content, description, and whether it contradicts itself, of one numbered file."""
    rng = np.random.default_rng([seed, number])
    kind = ("edf", "bdf", "fif", "csv")[number % 4]
    base = BASES[kind][rng.integers(len(BASES[kind]))]
    damage = DAMAGES[kind][rng.integers(len(DAMAGES[kind]))]
    content, done, contradicts = damage(rng, content_of(base))
    contradicts = contradicts and damage.__name__ not in UNTELLING.get(kind, ())
    return kind, base, content, f"{base}, {damage.__name__}: {done}", contradicts


def run_one(path, content):
    """Read one file under guard; return the outcome's name, the signal or None, and what is wrong with it or None."""
    path.write_bytes(content)

    def ring(number, frame):
        raise Hang

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    faulthandler.dump_traceback_later(20 * SECONDS, exit=True)  # a hang in compiled code ends the run
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found, _ = load_signal(path)
        return "read", found, None
    except EegoraError as error:
        return error.code, None, None if len(str(error).splitlines()) == 1 else "a message of several lines"
    except Hang:
        return "hang", None, f"no end after {SECONDS:g} s"
    except BaseException as error:  # whatever else a user would see as a traceback
        if isinstance(error, KeyboardInterrupt):
            raise
        return "traceback", None, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        faulthandler.cancel_dump_traceback_later()


def garbage(found, whole, contradicts):
    """Say what is silently wrong with a signal, or None.

    `whole` is what the undamaged file gives, or None if it is refused.
    """
    told = [note for note in found.notes if not note.startswith(("positions of", "unit: taken"))]
    if found.data.ndim != 2 or not found.data.size or len(found.ch_names) != len(found.data):
        return f"data of shape {found.data.shape}"
    if not np.isfinite(found.data).all():
        return "data that are not finite"
    if len(set(found.ch_names)) != len(found.ch_names):
        return "two channels of one name"
    low, high = PLAUSIBLE_RATE_HZ
    if not low <= found.sfreq <= high and not any("rate?" in note for note in told):
        return f"a rate of {found.sfreq:g} Hz without a note"
    spread = stds(found.data, found.sfreq)
    wild = (spread > PLAUSIBLE_STD_V[1]).any() or 0 < np.median(spread) < PLAUSIBLE_STD_V[0]
    if wild and not any("unit?" in note for note in found.notes):
        return f"standard deviations of {spread.min():.3g} to {spread.max():.3g} V without a note"
    for a in found.annotations:
        if not (np.isfinite([a.onset, a.duration]).all() and a.duration >= 0):
            return f"an annotation at {a.onset} of {a.duration} s"
    known = found.ch_pos[np.isfinite(found.ch_pos).all(axis=1)]
    if np.isinf(found.ch_pos).any() or (np.abs(known) > 1).any():
        return "positions beyond a metre"
    if contradicts and not told and whole is not None:
        same = found.data.shape == whole.data.shape and np.array_equal(found.data, whole.data)
        if not same:
            return f"a contradiction passed silently: {whole.data.shape} became {found.data.shape}"
    return None


def fuzz(numbers, seed, *, say=lambda line: None):
    """Run numbered files; return counts per format and outcome, and the findings."""
    counts, findings, wholes = {kind: Counter() for kind in BASES}, [], {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, names in BASES.items():
            for name in names:
                path = Path(folder) / f"whole{'_raw' if kind == 'fif' else ''}.{kind}"
                path.write_bytes(content_of(name))
                try:
                    wholes[name] = load_signal(path)[0]
                except EegoraError:
                    wholes[name] = None
        for number in numbers:
            kind, base, content, done, contradicts = damaged(seed, number)
            path = Path(folder) / f"damaged{'_raw' if kind == 'fif' else ''}.{kind}"
            outcome, found, wrong = run_one(path, content)
            if found is not None:
                wrong = garbage(found, wholes[base], contradicts)
                outcome = "silent_garbage" if wrong else "read_with_notes" if found.notes else "read"
            counts[kind][outcome] += 1
            if wrong:
                findings.append({"number": number, "damage": done, "outcome": outcome, "what": wrong})
                say(f"FINDING {number}: {done}: {outcome}: {wrong}")
            if number % 1000 == 999:
                say(f"{number + 1} files, {len(findings)} findings")
    return counts, findings


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20_000, help="how many files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="run this one and show its traceback")
    parser.add_argument("--evidence", type=Path, help="write the counts there")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))  # a header must not eat the machine
    if given.only is not None:
        kind, _, content, done, contradicts = damaged(given.seed, given.only)
        path = Path(tempfile.mkdtemp()) / f"damaged{'_raw' if kind == 'fif' else ''}.{kind}"
        path.write_bytes(content)
        print(f"{path}: {done}; contradicts itself: {contradicts}")
        warnings.simplefilter("error")
        found, _ = load_signal(path)
        print(found.data.shape, found.sfreq, found.ch_names, *found.notes, sep="\n")
        return 0
    counts, findings = fuzz(range(given.n), given.seed, say=lambda line: print(line, flush=True))
    for kind, outcomes in counts.items():
        print(f"{kind}: {sum(outcomes.values())} files: " + ", ".join(f"{n} {o}" for o, n in outcomes.most_common()))
    print(f"{given.n} damaged files, seed {given.seed}: {len(findings)} findings")
    if given.evidence:
        record = {
            "files": given.n,
            "seed": given.seed,
            "seconds_allowed_per_file": SECONDS,
            "outcomes": {kind: dict(sorted(outcomes.items())) for kind, outcomes in counts.items()},
            "findings": findings,
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("eegora", "numpy", "mne", "pyarrow")},
        }
        given.evidence.parent.mkdir(parents=True, exist_ok=True)
        given.evidence.write_text(json.dumps(record, indent=2) + "\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

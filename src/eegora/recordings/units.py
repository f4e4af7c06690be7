"""Which spellings of volts there are, and what each is worth. Knows no file format; whether volts can be EEG is asked in `checks`."""

from __future__ import annotations

from collections.abc import Mapping

from eegora.errors import UsageError

Units = str | Mapping[str, str]  # one for all channels, or label → unit

_MICRO = ("u", "µ", "μ", "Â\u00b5", "Î¼", "\x83Ê", "\x83ê")  # µ in Latin-1, Greek, UTF-8 read as Latin-1, Shift-JIS
_FACTORS = {"V": 1.0, "mV": 1e-3, "nV": 1e-9} | {f"{micro}V": 1e-6 for micro in _MICRO}
_WORDS = {"volt": 1.0, "volts": 1.0, "millivolt": 1e-3, "millivolts": 1e-3, "nanovolt": 1e-9, "nanovolts": 1e-9}
_WORDS |= dict.fromkeys(("uv", "microv", "microvolt", "microvolts"), 1e-6)


def volts_per(unit: str) -> float | None:
    """Return how many volts a unit is, or None if it is no spelling of volts.

    >>> volts_per("uV"), volts_per("%")
    (1e-06, None)
    """
    unit = unit.replace("\0", " ").strip()
    return _FACTORS.get(unit, _WORDS.get(unit.lower()))


def per_volt(unit: str) -> float | None:
    """Return how many of a unit make a volt, or None if it is no spelling of volts.

    >>> per_volt("uV"), per_volt("mV")
    (1000000.0, 1000.0)
    """
    factor = volts_per(unit)
    return None if factor is None else float(round(1 / factor))


def check_units(units: Units | None) -> None:
    """Refuse what is no spelling of volts, also where the file says its unit itself. Raises as `given_unit`."""
    for unit in units.values() if isinstance(units, Mapping) else [units]:
        given_unit(unit, "")


def given_unit(units: Units | None, label: str) -> float | None:
    """Return the factor that the user gave for a channel, or None.

    Raises
    ------
    UsageError
        ``bad_unit`` if it is no spelling of volts.
    """
    unit = units if isinstance(units, str) or units is None else units.get(label)
    if unit is None:
        return None
    factor = volts_per(unit)
    if factor is None:
        raise UsageError("bad_unit", f"units={unit!r} is no unit of voltage", hint="give V, mV, uV or nV")
    return factor

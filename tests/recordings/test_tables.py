import numpy as np
import pytest

from eegora.errors import RecordingError, UsageError
from eegora.recordings.read import load_signal


def _write(tmp_path, text, name="made.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def _rows(n, *, sfreq=256, step="{:.6f}", sep=",", amplitude=30.0, skip=(), shift=0.0):
    rng = np.random.default_rng(1)
    rows = []
    for i in range(n):
        if i not in skip:
            cells = [step.format(shift + i / sfreq), *(f"{x:.4f}" for x in amplitude * rng.standard_normal(2))]
            rows.append(sep.join(cells))
    return rows


@pytest.mark.parametrize(
    ("name", "n_times"),
    [
        ("comment.csv", 600),
        ("ms_time.csv", 600),
        ("semicolon_comma.csv", 600),
        ("gap.csv", 700),
        ("uv.csv", 1536),
        ("volts.csv", 1536),
    ],
)
def test_good_tables_are_256_hz_in_volts(case, name, n_times):
    signal, _ = load_signal(case(name))
    assert (signal.sfreq, signal.n_times, signal.ch_names) == (256.0, n_times, ("Fp1", "Cz", "Oz"))
    recorded = signal.data[:, (signal.data != 0).any(axis=0)]
    assert np.all((recorded.std(axis=1) > 21e-6) & (recorded.std(axis=1) < 22.5e-6))
    guessed = any(note.startswith("unit: taken for") for note in signal.notes)
    assert guessed == (name != "comment.csv")


def test_first_row_of_a_table_is_its_first_sample(case):
    signal, _ = load_signal(case("uv.csv"))
    assert np.allclose(signal.data[:, 0], [9.046023e-6, 25.834028e-6, 34.316333e-6])


def test_a_gap_is_zeros_and_an_annotation(case):
    signal, _ = load_signal(case("gap.csv"))
    assert signal.gaps == ((300 / 256, 400 / 256),)
    assert not signal.data[:, 300:400].any()
    assert signal.data[:, [299, 400]].all()
    assert any("100 missing samples before line 302" in note for note in signal.notes)


@pytest.mark.parametrize(
    ("name", "code", "exit_code", "says"),
    [
        ("header_only.csv", "empty_file", 2, "no data row"),
        ("ragged.csv", "ragged", 2, "line 151: 5 cells, 4 wanted"),
        ("text_cell.csv", "text_cell", 2, "line 51: '0x191406' in column 'time'"),
        ("nonmonotonic.csv", "time_order", 3, "line 302"),
        ("no_time.csv", "needs_sfreq", 2, "no time column"),
        ("nan_inf.csv", "non_finite", 3, r"Fp1, 0\.386719 s \(line 101\), 3 samples"),
    ],
)
def test_bad_tables_name_the_line(case, name, code, exit_code, says):
    with pytest.raises(RecordingError, match=says) as error:
        load_signal(case(name))
    assert (error.value.code, error.value.exit_code) == (code, exit_code)


def test_a_rate_given_by_the_user_makes_a_table_without_time_readable(case):
    signal, _ = load_signal(case("no_time.csv"), sfreq=256)
    assert (signal.sfreq, signal.n_times) == (256, 600)
    assert np.allclose(signal.data[0, 0], 9.046023e-6)


def test_short_holes_are_interpolated_on_request(case):
    signal, _ = load_signal(case("nan_inf.csv"), non_finite="interpolate")
    at = signal.data[0, 98:103]
    assert np.allclose(np.diff(at), (at[-1] - at[0]) / 4)
    assert signal.bads == ()
    assert any("interpolated" in note for note in signal.notes)


def test_a_row_that_ends_early_is_ragged_not_nan(tmp_path):
    rows = _rows(50)
    rows[20] = rows[20].rpartition(",")[0]
    with pytest.raises(RecordingError, match="line 22: 2 cells, 3 wanted") as error:
        load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(rows)))
    assert error.value.code == "ragged"


def test_lines_count_comments_and_blanks(tmp_path):
    rows = _rows(50)
    rows[10] = rows[10].replace(".", "x", 1)
    text = "# a\n\n# b\ntime,Fp1,Cz\n" + "\n".join(rows[:5]) + "\n# c\n" + "\n".join(rows[5:])
    with pytest.raises(RecordingError, match="line 16:") as error:
        load_signal(_write(tmp_path, text))
    assert error.value.code == "text_cell"


@pytest.mark.parametrize(
    ("sep", "name"), [(",", "a.csv"), ("\t", "a.tsv"), (" ", "a.csv"), ("   ", "a.csv"), (";", "a.csv")]
)
def test_every_delimiter_reads_the_same(tmp_path, sep, name):
    wanted, _ = load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(_rows(300)), "plain.csv"))
    text = sep.join(["time", "Fp1", "Cz"]) + "\n" + "\n".join(_rows(300, sep=sep))
    signal, _ = load_signal(_write(tmp_path, text, name))
    assert np.array_equal(signal.data, wanted.data)


def test_decimal_commas_need_not_stand_in_the_first_row(tmp_path):
    rows = [row.replace(".", ",") for row in _rows(300, sep=";")]
    rows[0] = "0;12;-3"
    signal, _ = load_signal(_write(tmp_path, "time;Fp1;Cz\n" + "\n".join(rows)), units="uV")
    np.testing.assert_allclose(signal.data[:, 0], [12e-6, -3e-6])
    assert signal.n_times == 300


@pytest.mark.parametrize("sfreq", [0.0, -256.0, float("nan")])
def test_a_given_rate_that_is_none_is_a_bad_rate(tmp_path, sfreq):
    with pytest.raises(RecordingError, match="sampling rate of") as error:
        load_signal(_write(tmp_path, "Fp1,Cz\n1,2\n3,4\n"), units="uV", sfreq=sfreq)
    assert (error.value.code, error.value.exit_code) == ("bad_rate", 3)


def test_a_unit_for_a_label_that_is_not_there_is_refused(tmp_path):
    path = _write(tmp_path, "time,Fp1,Cz\n" + "\n".join(_rows(300)))
    with pytest.raises(RecordingError, match="no channel FP1") as error:
        load_signal(path, units={"FP1": "mV"})
    assert error.value.code == "no_channels"
    assert load_signal(path, units={"Fp1": "mV"})[0].data[0].std() > 1e-2


def test_a_byte_order_mark_and_quotes_do_not_count(tmp_path):
    signal, _ = load_signal(_write(tmp_path, '\ufeff"time","Fp1","Cz"\n' + "\n".join(_rows(300))))
    assert signal.ch_names == ("Fp1", "Cz")


@pytest.mark.parametrize("sfreq", [100, 128, 160, 250, 256, 500, 512, 1000])
def test_printed_digits_do_not_change_an_integer_rate(tmp_path, sfreq):
    signal, _ = load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(_rows(900, sfreq=sfreq))))
    assert signal.sfreq == sfreq
    assert signal.gaps == ()


def test_a_rate_that_is_no_integer_stays_so(tmp_path):
    signal, _ = load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(_rows(2000, sfreq=173.61))))
    assert signal.sfreq == pytest.approx(173.61, rel=1e-5)
    assert signal.sfreq != round(signal.sfreq)


def test_the_rate_comes_from_the_longest_stretch(tmp_path):
    gap = range(100, 400)
    signal, _ = load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(_rows(1500, skip=gap, shift=1.7e9))))
    assert (signal.sfreq, signal.n_times) == (256, 1500)
    assert signal.gaps == ((100 / 256, 400 / 256),)


def test_a_short_first_stretch_does_not_set_the_rate(tmp_path):
    rows = _rows(2000, sfreq=173.61, step="{:.4f}", skip=range(3, 400))
    signal, _ = load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(rows)))
    assert signal.sfreq == pytest.approx(173.61, rel=2e-5)


def test_integer_milliseconds_are_recognised(tmp_path):
    rows = _rows(300, sfreq=0.25, step="{:.0f}")
    signal, _ = load_signal(_write(tmp_path, "t,Fp1,Cz\n" + "\n".join(rows)))
    assert signal.sfreq == 250


def test_jitter_beyond_the_printed_digits_is_refused(tmp_path):
    rows = _rows(300)
    rows[150] = "0.586900" + rows[150][8:]  # 0.585938 was due
    with pytest.raises(RecordingError, match="line 152") as error:
        load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(rows)))
    assert error.value.code == "time_order"


def test_index_columns_carry_no_rate_and_are_no_channel(tmp_path):
    rows = [f"{i},{row.partition(',')[2]}" for i, row in enumerate(_rows(300))]
    path = _write(tmp_path, "sample,Fp1,Cz\n" + "\n".join(rows))
    with pytest.raises(RecordingError) as error:
        load_signal(path)
    assert error.value.code == "needs_sfreq"
    signal, _ = load_signal(path, sfreq=200)
    assert (signal.sfreq, signal.ch_names) == (200, ("Fp1", "Cz"))


@pytest.mark.parametrize(
    ("names", "comment", "units", "factor"),
    [
        ("Fp1 [mV],Cz (mV)", "", None, 1e-3),
        ("Fp1_uV,Cz_uV", "", None, 1e-6),
        ("Fp1 [mV],Cz [mV]", "# Units: uV\n", None, 1e-6),
        ("Fp1,Cz", "# units=uV\n", "nV", 1e-9),
        ("Fp1,Cz", "", "uV", 1e-6),
    ],
)
def test_units_are_given_commented_or_named_in_this_order(tmp_path, names, comment, units, factor):
    path = _write(tmp_path, f"{comment}time,{names}\n" + "\n".join(_rows(300)))
    signal, _ = load_signal(path, units=units)
    assert signal.ch_names == ("Fp1", "Cz")
    assert signal.data.std() == pytest.approx(30 * factor, rel=0.1)


@pytest.mark.parametrize("amplitude", [0.02, 50_000])
def test_amplitudes_that_tell_no_unit_are_asked_for(tmp_path, amplitude):
    with pytest.raises(RecordingError) as error:
        load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(_rows(300, amplitude=amplitude))))
    assert (error.value.code, error.value.exit_code) == ("needs_units", 2)


def test_a_unit_that_is_none_is_refused(case):
    with pytest.raises(UsageError, match="furlong") as error:
        load_signal(case("uv.csv"), units="furlong")
    assert error.value.code == "bad_unit"


def test_a_table_without_names_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="line 1 holds numbers") as error:
        load_signal(_write(tmp_path, "\n".join(_rows(20))))
    assert error.value.code == "bad_header"


def test_channels_that_are_no_eeg_are_dropped_by_label(tmp_path):
    rows = [row + ",0.5" for row in _rows(300)]
    signal, _ = load_signal(_write(tmp_path, "time,Fp1,Cz,ECG\n" + "\n".join(rows)))
    assert signal.ch_names == ("Fp1", "Cz")
    assert signal.plan.uses[-1].reason == "ecg by its type in the file"


@pytest.mark.parametrize("time", ["inf", "-inf", "nan"])
def test_a_time_that_is_no_number_names_its_line(tmp_path, time):
    rows = _rows(50)
    rows[20] = time + rows[20][rows[20].index(",") :]
    with pytest.raises(RecordingError, match="line 22: time") as error:
        load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(rows)))
    assert error.value.code == "time_order"


def test_a_gap_of_years_is_refused_before_room_is_made_for_it(tmp_path):
    rows = _rows(50)
    rows[-1] = "9999999999" + rows[-1][rows[-1].index(",") :]
    with pytest.raises(RecordingError, match="50 rows over 1e\\+10 s") as error:
        load_signal(_write(tmp_path, "time,Fp1,Cz\n" + "\n".join(rows)))
    assert error.value.code == "discontinuous"

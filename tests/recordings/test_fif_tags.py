import struct

import pytest

from eegora.errors import RecordingError
from eegora.recordings.fif_tags import broken_chain
from eegora.recordings.read import load_signal


def tags(content):
    """Places of the tags and their payloads' sizes."""
    at, found = 0, []
    while at + 16 <= len(content):
        _, _, size, following = struct.unpack(">iiii", content[at : at + 16])
        found.append((at, size))
        if following < 0:
            break
        at = following or at + 16 + size
    return found


@pytest.mark.parametrize("name", ["double_raw.fif", "gap_raw.fif", "mixed_types_raw.fif", "epochs-epo.fif"])
def test_whole_files_have_a_whole_chain(case, name):
    assert broken_chain(case(name)) == ()


def test_bytes_missing_in_the_data_are_reported(case, tmp_path):
    content = case("no_positions_raw.fif").read_bytes()
    path = tmp_path / "hole_raw.fif"
    path.write_bytes(content[:22088] + content[22228:])
    signal, _ = load_signal(path)
    assert any(note.startswith("damaged: the file's tags break off at byte") for note in signal.notes)


def test_a_tag_that_points_back_is_refused_before_anybody_follows_it(case, tmp_path):
    content = bytearray(case("double_raw.fif").read_bytes())
    at, _ = tags(content)[8]
    content[at + 12 : at + 16] = struct.pack(">i", 0 + 36)
    path = tmp_path / "circle_raw.fif"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=f"the tag at byte {at} points back") as error:
        load_signal(path)
    assert (error.value.code, error.value.exit_code) == ("cannot_read", 2)


def test_a_gap_of_years_is_refused_before_room_is_made_for_it(case, tmp_path):
    content = bytearray(case("gap_raw.fif").read_bytes())
    (at,) = (at for at, _ in tags(content) if struct.unpack(">i", content[at : at + 4])[0] == 301)
    content[at + 16 : at + 20] = struct.pack(">i", 10**6)
    path = tmp_path / "years_raw.fif"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="hold a tenth at most") as error:
        load_signal(path)
    assert error.value.code == "discontinuous"


def test_the_byte_of_the_break_is_that_of_the_tag_that_is_cut(case):
    (note,) = broken_chain(case("trunc_raw.fif"))
    assert "break off at byte 17188 of 20958" in note

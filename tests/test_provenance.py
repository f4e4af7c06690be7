"""What a record says of itself in one word."""

import pytest

from eegora.provenance import Provenance


@pytest.mark.parametrize(("variant", "expected"), [("base", "luna-base"), ("custom", "luna")])
def test_full_name_is_what_a_command_takes(variant, expected):
    assert Provenance("a.edf", "luna", variant, "embed", versions={}).full_name == expected

from eegora.report.score_tables import channel_table, score_table
from tests.report.conftest import METHODS, SCORED


def test_medians_with_their_spread(score):
    table = score_table(score.summary(), "kind")
    cells = [list(column.cells) for column in table.columns]
    assert cells[1][:4] == list(METHODS)
    assert cells[3][0] == "0.30 [0.20, 0.40]"
    assert cells[4][3] == "– [–, –]"
    assert cells[6][3].startswith("∞")
    assert [c.header for c in score_table(score.summary("area"), "area").columns][:3] == ["kind", "area", "method"]


def test_every_hidden_channel_has_a_row_with_both_answers(score):
    table = channel_table(score, score.kinds)
    assert table.title == "every hidden channel: Agora / spherical spline"
    cells = dict(zip([c.header for c in table.columns], [list(c.cells) for c in table.columns], strict=True))
    assert cells["channel"] == [*SCORED[:5], "Cz"]
    assert cells["NMSE"] == ["0.20", "0.30", "0.40", "0.50", "0.20", "0.20"]
    assert cells["/ NMSE"] == ["0.30", "0.40", "0.50", "0.20", "0.30", "0.30"]
    assert cells["r"][0] == "0.90"
    assert cells["/ r"][0] == "0.80"
    assert cells["best"] == ["Agora", "zeros", "mean of the others", "spherical spline", "Agora", "Agora"]
    assert channel_table(score, ["span"]).row_count == 1

from dataclasses import replace

from eegora.results.trials import epochs, events


def test_events_and_epochs_are_what_the_first_flag_of_their_kind_says():
    flags = (("epoch:12", "event:left/early"), ("flat:Cz",), ("event:right", "event:left"))
    assert events(flags, 3) == ("left/early", None, "right")
    assert epochs(flags, 3) == (12, None, None)
    assert events((), 2) == epochs((), 2) == (None, None)


def test_tables_have_a_column_for_each(embeddings, classification, tmp_path):
    flags = (("epoch:0", "event:left"), (), ("flat:Fp2", "epoch:1", "event:right"))
    for result in (replace(embeddings, flags=flags), replace(classification, flags=flags)):
        table = result.to_table()
        assert table["epoch"].to_pylist() == list(result.epochs) == [0, None, 1]
        assert table["event"].to_pylist() == list(result.events) == ["left", None, "right"]
    path = replace(classification, flags=flags).save(tmp_path / "probs.csv")
    header, *rows = (line.split(",") for line in path.read_text().splitlines())
    at = header.index("epoch") - len(header)  # class names hold commas
    assert [row[at : at + 2] for row in rows] == [["0", "left"], ["", ""], ["1", "right"]]

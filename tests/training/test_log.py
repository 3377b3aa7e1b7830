"""Reading a training log whose lines were damaged."""

from pathlib import Path

import pytest

from ridgewalk.training.log import describe_damage, read_log


@pytest.mark.parametrize("value", ["1e308", "-4e38", "1e400", "NaN", "-Infinity", '"0.5"', "null", "[]", "true"])
def test_a_value_that_no_term_can_have_leaves_out_its_line(value: str, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text("".join(f'{{"step": {i}, "loss": {v}}}\n' for i, v in ((1, 0.5), (2, value), (3, 3.4e38))))
    assert [line["step"] for line in read_log(file)[0]] == [1, 3]
    assert "1 of its lines cannot be read" in describe_damage(file)

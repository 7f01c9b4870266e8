"""Data sets of tokenised rows on their way to the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autodistillation import DataError
from autodistillation.token_rows import Purpose, TokenRow, Written, write_rows


def test_padding_is_dropped_and_segments_are_kept_apart(tmp_path: Path) -> None:
    pair = {"input_ids": [2, 7, 3, 8, 3, 0], "attention_mask": [1, 1, 1, 1, 1, 0], "token_type_ids": [0, 0, 0, 1, 1, 0], "label": 2}
    written = write_rows([pair, {"input_ids": [2, 3], "labels": 0.5}], tmp_path / "rows.jsonl")
    assert written == Written(longest=5, has_labels=True)
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert lines == [{"first": "2 7 3", "second": "8 3", "label": 2}, {"first": "2 3", "second": "", "label": 0.5}]


def test_arrays_are_rows_too() -> None:
    np = pytest.importorskip("numpy")
    row = TokenRow.of({"input_ids": np.array([2, 5, 3]), "attention_mask": np.array([1, 1, 1]), "label": np.int64(1)})
    assert row == TokenRow([2, 5, 3], [], 1)


def test_masks_of_pretraining_rows_are_taken_back(tmp_path: Path) -> None:
    masked = {"input_ids": [2, 4, 7, 3, 4, 3], "labels": [-100, 9, 7, -100, 8, -100], "token_type_ids": [0, 0, 0, 0, 1, 1]}
    row = TokenRow.of({**masked, "next_sentence_label": 1}, Purpose.PRETRAINING)
    assert row == TokenRow([2, 9, 7, 3], [8, 3], 1)
    written = write_rows([masked, {"input_ids": [2, 5, 3]}], tmp_path / "rows.jsonl", Purpose.PRETRAINING)
    assert written == Written(longest=6, has_labels=False)
    assert "label" not in json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[0])
    with pytest.raises(DataError, match="1 of 2 rows have a `next_sentence_label`"):
        write_rows([{**masked, "next_sentence_label": 1}, masked], tmp_path / "rows.jsonl", Purpose.PRETRAINING)
    with pytest.raises(DataError, match="row 0: there are 2 `input_ids` and 1 `labels`"):
        write_rows([{"input_ids": [2, 3], "labels": [1]}], tmp_path / "rows.jsonl", Purpose.PRETRAINING)
    with pytest.raises(DataError, match="row 0: `next_sentence_label` is 2"):
        write_rows([{"input_ids": [2, 3], "next_sentence_label": 2}], tmp_path / "rows.jsonl", Purpose.PRETRAINING)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "good"}, "row 1: the row has no `input_ids`, only text"),
        ({"input_ids": [1]}, "row 1: the row has no label: it needs one of labels, label, label_ids, and has input_ids"),
        ({"input_ids": [1], "label": "good"}, "row 1: the label is 'good'"),
        ({"input_ids": [1, 2], "token_type_ids": [1, 0], "label": 0}, r"row 1: `token_type_ids` are \[1, 0\]"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        write_rows([{"input_ids": [1], "label": 0}, row], tmp_path / "rows.jsonl")
    with pytest.raises(DataError, match="no rows"):
        write_rows([], tmp_path / "rows.jsonl")

"""Data sets of tokenised rows, written out for the engine."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Union

from .exceptions import DataError

LABEL_COLUMNS = ("labels", "label", "label_ids")
NEXT_SENTENCE_COLUMN = "next_sentence_label"
NOT_MASKED = -100
"""What `transformers` writes into the labels of tokens that are not masked."""


class Purpose(enum.Enum):
    """What the rows of a data set are for."""

    LABELS = "labels"
    """Each has a label to be predicted."""
    PRETRAINING = "pretraining"
    """The engine masks their tokens itself, anew at each pass; a label says whether the second segment follows the first."""


@dataclass(frozen=True)
class TokenRow:
    """One example: the token ids of both segments without padding, and its label, if it has one."""

    first: list[int]
    second: list[int]
    label: Optional[Union[int, float]]

    @classmethod
    def of(cls, row: Mapping[str, Any], purpose: Purpose = Purpose.LABELS) -> TokenRow:
        """The example of a row with ``input_ids``, a label, and perhaps ``attention_mask`` and ``token_type_ids``.

        For pretraining the label is ``next_sentence_label`` and may be missing, and ``labels`` of -100 and token ids,
        as data collators make them, are put back in place of the masks.

        Raises :class:`DataError` for a row without ids or label, and for segments that are not 0 … 0 1 … 1.
        """
        if "input_ids" not in row:
            raise DataError(f"the row has no `input_ids`, only {', '.join(row)}: tokenise the data set first")
        ids = _list(row["input_ids"])
        if purpose is Purpose.PRETRAINING and "labels" in row:
            ids = _unmasked(ids, _list(row["labels"]))
        mask = _list(row["attention_mask"]) if "attention_mask" in row else [1] * len(ids)
        segments = _list(row["token_type_ids"]) if "token_type_ids" in row else [0] * len(ids)
        real = [at for at, counts in enumerate(mask) if counts]
        kept = [segments[at] for at in real]
        if kept != sorted(kept) or not set(kept) <= {0, 1}:
            raise DataError(f"`token_type_ids` are {kept}: the engine reads a first segment of 0 and a second of 1")
        first = [int(ids[at]) for at in real if segments[at] == 0]
        second = [int(ids[at]) for at in real if segments[at] == 1]
        return cls(first, second, _label(row) if purpose is Purpose.LABELS else _next_sentence(row))

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def line(self) -> str:
        """The row as a line of JSON."""
        texts = {"first": " ".join(map(str, self.first)), "second": " ".join(map(str, self.second))}
        return json.dumps(texts if self.label is None else {**texts, "label": self.label})


@dataclass(frozen=True)
class Written:
    """What was written of a data set."""

    longest: int
    """Tokens of its longest row."""
    has_labels: bool
    """Whether its rows have labels: all of them, or none."""


def write_rows(dataset: Iterable[Mapping[str, Any]], path: Path, purpose: Purpose = Purpose.LABELS) -> Written:
    """Writes the rows of a data set as JSON lines.

    Raises :class:`DataError` with the row's number for one that the engine cannot read, and for a set without rows.
    """
    longest, labelled = 0, 0
    number = -1
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(_rows(dataset)):
            try:
                found = TokenRow.of(row, purpose)
            except DataError as error:
                raise DataError(f"row {number}: {error}") from None
            longest = max(longest, len(found))
            labelled += found.label is not None
            file.write(found.line() + "\n")
    if longest == 0:
        raise DataError("the data set has no rows")
    if labelled not in (0, number + 1):
        raise DataError(f"{labelled} of {number + 1} rows have a `{NEXT_SENTENCE_COLUMN}`: give it to all of them, or to none")
    return Written(longest, labelled > 0)


def _rows(dataset: Any) -> Iterable[Mapping[str, Any]]:
    """A map-style data set row by row, or anything that can be iterated."""
    if hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
        return (dataset[at] for at in range(len(dataset)))
    return dataset  # type: ignore[no-any-return]


def _list(values: Any) -> list[Any]:
    found = values.tolist() if hasattr(values, "tolist") else list(values)
    return found if isinstance(found, list) else [found]


def _unmasked(ids: list[Any], labels: list[Any]) -> list[Any]:
    """The ids with those of the labels in place of masks."""
    if len(ids) != len(labels):
        raise DataError(f"there are {len(ids)} `input_ids` and {len(labels)} `labels`: pretraining has one for each token")
    return [own if label == NOT_MASKED else label for own, label in zip(ids, labels)]


def _next_sentence(row: Mapping[str, Any]) -> Optional[int]:
    if NEXT_SENTENCE_COLUMN not in row:
        return None
    value = _list([row[NEXT_SENTENCE_COLUMN]])[0]
    value = value.item() if hasattr(value, "item") else value
    if value not in (0, 1):
        raise DataError(f"`{NEXT_SENTENCE_COLUMN}` is {value!r}: 0 if the second segment follows the first, else 1")
    return int(value)


def _label(row: Mapping[str, Any]) -> Union[int, float]:
    for name in LABEL_COLUMNS:
        if name in row:
            value = row[name].item() if hasattr(row[name], "item") else row[name]
            if isinstance(value, (int, float)):
                return value
            raise DataError(f"the label is {value!r}: give a class id, or a number for a regression")
    raise DataError(f"the row has no label: it needs one of {', '.join(LABEL_COLUMNS)}, and has {', '.join(row)}")

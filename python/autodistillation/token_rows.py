"""Data sets of tokenised rows, written out for the engine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Union

from .exceptions import DataError

LABEL_COLUMNS = ("labels", "label", "label_ids")


@dataclass(frozen=True)
class TokenRow:
    """One example: the token ids of both segments without padding, and its label."""

    first: list[int]
    second: list[int]
    label: Union[int, float]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> TokenRow:
        """The example of a row with ``input_ids``, a label, and perhaps ``attention_mask`` and ``token_type_ids``.

        Raises :class:`DataError` for a row without ids or label, and for segments that are not 0 … 0 1 … 1.
        """
        if "input_ids" not in row:
            raise DataError(f"the row has no `input_ids`, only {', '.join(row)}: tokenise the data set first")
        ids = _list(row["input_ids"])
        mask = _list(row["attention_mask"]) if "attention_mask" in row else [1] * len(ids)
        segments = _list(row["token_type_ids"]) if "token_type_ids" in row else [0] * len(ids)
        real = [at for at, counts in enumerate(mask) if counts]
        kept = [segments[at] for at in real]
        if kept != sorted(kept) or not set(kept) <= {0, 1}:
            raise DataError(f"`token_type_ids` are {kept}: the engine reads a first segment of 0 and a second of 1")
        first = [int(ids[at]) for at in real if segments[at] == 0]
        return cls(first, [int(ids[at]) for at in real if segments[at] == 1], _label(row))

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def line(self) -> str:
        """The row as a line of JSON."""
        texts = {"first": " ".join(map(str, self.first)), "second": " ".join(map(str, self.second))}
        return json.dumps({**texts, "label": self.label})


def write_rows(dataset: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Writes the rows of a data set as JSON lines; the tokens of its longest.

    Raises :class:`DataError` with the row's number for one that the engine cannot read, and for a set without rows.
    """
    longest = 0
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(_rows(dataset)):
            try:
                found = TokenRow.of(row)
            except DataError as error:
                raise DataError(f"row {number}: {error}") from None
            longest = max(longest, len(found))
            file.write(found.line() + "\n")
    if longest == 0:
        raise DataError("the data set has no rows")
    return longest


def _rows(dataset: Any) -> Iterable[Mapping[str, Any]]:
    """A map-style data set row by row, or anything that can be iterated."""
    if hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
        return (dataset[at] for at in range(len(dataset)))
    return dataset  # type: ignore[no-any-return]


def _list(values: Any) -> list[Any]:
    found = values.tolist() if hasattr(values, "tolist") else list(values)
    return found if isinstance(found, list) else [found]


def _label(row: Mapping[str, Any]) -> Union[int, float]:
    for name in LABEL_COLUMNS:
        if name in row:
            value = row[name].item() if hasattr(row[name], "item") else row[name]
            if isinstance(value, (int, float)):
                return value
            raise DataError(f"the label is {value!r}: give a class id, or a number for a regression")
    raise DataError(f"the row has no label: it needs one of {', '.join(LABEL_COLUMNS)}, and has {', '.join(row)}")

"""One small file for each log format, its columns declared as data."""

from __future__ import annotations

from hatstats.errors import DataError
from hatstats.logs.readers.euroeval import EUROEVAL
from hatstats.logs.readers.every_eval import EVERY_EVAL, EVERY_EVAL_ITEMS
from hatstats.logs.readers.helm import COMPANIONS, HELM
from hatstats.logs.readers.inspect_log import INSPECT
from hatstats.logs.readers.lighteval import LIGHTEVAL
from hatstats.logs.readers.lm_eval import RESULTS, SAMPLES
from hatstats.logs.readers.plain import PLAIN
from hatstats.logs.readers.reader import Look, Reader
from hatstats.logs.readers.simple_evals import SIMPLE_EVALS
from hatstats.study.schema import near

__all__ = ["READERS", "find_reader", "named_reader"]

#: In the order in which they are asked; plain tables come last, since any table is one.
READERS = (
    SAMPLES, RESULTS, INSPECT, HELM, LIGHTEVAL, EUROEVAL, EVERY_EVAL_ITEMS, EVERY_EVAL,
    SIMPLE_EVALS, PLAIN,
)  # fmt: skip


def find_reader(look: Look) -> Reader | str:
    """The reader that knows a file by its look, or why there is none."""
    if look.path.name in COMPANIONS and (look.path.parent / "run_spec.json").exists():
        return "it belongs to a HELM run and holds no single answers"
    for reader in READERS:
        if reader.knows(look):
            return reader
    return "it is empty" if look.head == "empty" else "it is no log of a known format"


def named_reader(name: str) -> Reader:
    """The reader of a format named by ``--format``.

    Raises
    ------
    DataError
        For a name that no reader has.
    """
    by_name = {reader.name: reader for reader in READERS}
    if name not in by_name:
        raise DataError(
            "the format is not known.",
            value=name,
            hint=f"use one of {', '.join(by_name)}.{near(name, by_name)}",
        )
    return by_name[name]

"""Tasks of lighteval with items of our own; loaded by `lighteval --custom-tasks`."""

from __future__ import annotations

import os

from items import LANGUAGES
from lighteval.metrics.metrics import Metrics
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc


def ask(line: dict[str, object], task_name: str | None = None) -> Doc:
    """One item with four options."""
    return Doc(
        task_name=task_name,
        query=line["question"],
        choices=[f" {choice}" for choice in line["choices"]],
        gold_index=line["gold"],
    )


TASKS_TABLE = [
    LightevalTaskConfig(
        name=f"mgsm_tiny_{language}",
        prompt_function=ask,
        hf_repo=os.path.join(os.environ["TINY_SUMS"], language),
        hf_subset="default",
        evaluation_splits=["test"],
        hf_avail_splits=["test"],
        metrics=[Metrics.loglikelihood_acc],
    )
    for language in LANGUAGES
]

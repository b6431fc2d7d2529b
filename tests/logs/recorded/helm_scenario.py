"""A scenario of HELM with items of our own; loaded by `helm-run --plugins`."""

from __future__ import annotations

from typing import ClassVar

from helm.benchmark.adaptation.common_adapter_specs import get_generation_adapter_spec
from helm.benchmark.metrics.common_metric_specs import get_exact_match_metric_specs
from helm.benchmark.run_spec import RunSpec, run_spec_function
from helm.benchmark.scenarios.scenario import (
    CORRECT_TAG,
    TEST_SPLIT,
    Input,
    Instance,
    Output,
    Reference,
    Scenario,
    ScenarioSpec,
)
from items import SUMS


class TinySumsScenario(Scenario):
    """Five sums in one language."""

    name = "tiny_sums"
    description = "Five sums."
    tags: ClassVar = ["question answering"]

    def __init__(self, language: str) -> None:
        super().__init__()
        self.language = language

    def get_instances(self, output_path: str) -> list[Instance]:
        """The items, all of the test split; the model `simple/model1` answers "Answer:"."""
        right = {"lol": "Answer:"}
        return [
            Instance(
                Input(text=q),
                [Reference(Output(text=right.get(a, a)), tags=[CORRECT_TAG])],
                TEST_SPLIT,
            )
            for q, a in SUMS[self.language]
        ]


@run_spec_function("tiny_sums")
def get_tiny_sums(language: str) -> RunSpec:
    """The run of one language by the model of HELM's own tutorials."""
    adapter = get_generation_adapter_spec(
        instructions="", input_noun="Question", output_noun="Answer", max_train_instances=0
    )
    return RunSpec(
        name=f"tiny_sums:language={language}",
        scenario_spec=ScenarioSpec("helm_scenario.TinySumsScenario", {"language": language}),
        adapter_spec=adapter,
        metric_specs=get_exact_match_metric_specs(),
        groups=["tiny_sums"],
    )

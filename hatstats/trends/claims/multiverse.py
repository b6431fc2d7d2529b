"""Choices of an analysis, as plain data: one value for each, changed singly or crossed.

CR1, OLS and the like do not keep their level with few families, and are no defensible choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from hatstats.estimators.methods import Method, default_method
from hatstats.study import Study
from hatstats.trends.regression import Link
from hatstats.trends.standard_errors import Vcov


@dataclass(frozen=True, slots=True)
class Specification:
    """One way to analyse a study.

    Attributes
    ----------
    method : {"latent", "joint", "observed", "aggregate"}
        Estimator, and with it the conditioning.
    stages : {1, 2}
        Scores first and then a trend (2), or one regression from accuracies (1).
    slope : float or None
        Slope of target on source logits held at this value (aggregate).
    correlation : float
        Stated correlation of two models on the same items (aggregate, two stages).
    reference : str
        Reference distribution of source accuracy.
    link : {"identity", "logit"}
        Scale of a two-stage trend.
    chance : {"declared", "none", "corrected"}
        From accuracies: take out the declared chance level, or none. From items: scores as they
        are ("declared"), or rescaled so that guessing is 0 ("corrected").
    size : {"total", "active"}
        Which number of parameters.
    vcov : {"CR2", "CR3"}
    flagged : bool
        Whether flagged cells are used.
    without : str
        ``language:de``, ``benchmark:mgsm`` or ``family:Qwen``, what is dropped; empty for nothing.
    """

    method: Method
    stages: Literal[1, 2]
    slope: float | None = None
    correlation: float = 0.0
    reference: str = "pooled"
    link: Link = "identity"
    chance: Literal["declared", "none", "corrected"] = "declared"
    size: Literal["total", "active"] = "total"
    vcov: Vcov = "CR2"
    flagged: bool = False
    without: str = ""

    def data(self) -> Specification:
        """The same, but for what does not change the scores."""
        base = Specification(self.method, self.stages)
        own = {name: getattr(self, name) for name in _OF_SCORES}
        kept = "" if self.without.startswith("family:") else self.without
        return replace(base, **own, without=kept)


_OF_SCORES = ("slope", "correlation", "reference", "chance", "flagged")


def default_specification(
    study: Study, *, method: Method | None = None, reference: str = "pooled", flagged: bool = False
) -> Specification:
    """What an analysis does if nothing else is asked for."""
    chosen = method or default_method(study)
    stages: Literal[1, 2] = 1 if chosen == "aggregate" else 2
    return Specification(chosen, stages, reference=reference, flagged=flagged)


def one_at_a_time(study: Study, base: Specification) -> Iterator[tuple[str, Specification]]:
    """Other defensible choices, each with what it changes, in words.

    Parameters
    ----------
    study : Study
        With its flagged cells.
    base : Specification

    Yields
    ------
    choice : str
    specification : Specification
    """
    if len(study.flagged) and not base.flagged:
        yield "flagged cells included", replace(base, flagged=True)
    has_chance = bool((study.benchmarks["chance"] > 0).any())
    if base.method == "aggregate":
        yield "slope of source accuracy held at 1", replace(base, slope=1.0)
        two = replace(base, stages=2)
        yield "two stages: scores regressed afterwards", two
        for correlation in (0.3, 0.6):
            name = f"two stages, correlation of items {correlation:g}"
            yield name, replace(two, correlation=correlation)
        yield "two stages, logits of scores", replace(two, link="logit")
        if has_chance:
            yield "chance level not taken out", replace(base, chance="none")
    else:
        for other in ("pooled", "uniform"):
            if other != base.reference:
                yield f"reference {other}", replace(base, reference=other)
        conditioning: Method = "observed" if base.method == "latent" else "latent"
        yield f"conditioning {conditioning}", replace(base, method=conditioning)
        yield "logits of scores", replace(base, link="logit")
        if has_chance and study.benchmarks["chance"].nunique() == 1:
            yield "scores corrected for chance", replace(base, chance="corrected")
    yield "standard errors CR3", replace(base, vcov="CR3")
    total, active = (study.models[f"params_{kind}"] for kind in ("total", "active"))
    if active.notna().any() and not (active.fillna(-1.0) == total.fillna(-1.0)).all():
        yield "active parameters", replace(base, size="active")


def dropped(study: Study, base: Specification) -> Iterator[tuple[str, Specification]]:
    """The base without each family, benchmark and target language."""
    families = [name for name in dict.fromkeys(study.models["family"].dropna()) if name]
    if len(families) > 1:
        for name in families:
            yield f"without family {name}", replace(base, without=f"family:{name}")
    if len(study.benchmark_names) > 1:
        for name in study.benchmark_names:
            yield f"without benchmark {name}", replace(base, without=f"benchmark:{name}")
    sources = set(study.benchmarks["source_language"]) | set(study.source_language)
    targets = [name for name in study.languages if name not in sources]
    if len(targets) > 1:
        for name in targets:
            yield f"without language {name}", replace(base, without=f"language:{name}")


def crossed(study: Study, base: Specification) -> Iterator[tuple[str, Specification]]:
    """All combinations of the choices that bear on scores, size and scale, the base first."""
    sizes: tuple[Literal["total", "active"], ...] = ("total",)
    if any(spec.size == "active" for _, spec in one_at_a_time(study, base)):
        sizes = ("total", "active")
    flags = (base.flagged, True) if len(study.flagged) and not base.flagged else (base.flagged,)
    kinds: list[Specification] = []
    if base.method == "aggregate":
        for slope in (None, 1.0):
            kinds.append(replace(base, slope=slope))
            for reference, link in itertools.product(("pooled", "uniform"), ("identity", "logit")):
                two = replace(base, slope=slope, stages=2, reference=reference)
                kinds.append(replace(two, link=_link(link)))
    else:
        methods: tuple[Method, ...] = ("latent", "observed")
        if base.method not in methods:
            methods = (base.method, "observed")
        for method, reference, link in itertools.product(
            methods, ("pooled", "uniform"), ("identity", "logit")
        ):
            kinds.append(replace(base, method=method, reference=reference, link=_link(link)))
    seen: set[Specification] = set()
    for kind, size, flagged in itertools.product(kinds, sizes, flags):
        spec = replace(kind, size=size, flagged=flagged)
        if spec not in seen:
            seen.add(spec)
            yield words(spec), spec


def _link(name: str) -> Link:
    return "logit" if name == "logit" else "identity"


def words(spec: Specification) -> str:
    """A specification in words."""
    if spec.stages == 1:
        parts = ["one regression", "slope held at 1" if spec.slope is not None else ""]
    else:
        parts = [
            f"{spec.method}, {spec.reference}",
            "slope held at 1" if spec.slope is not None else "",
            "logits" if spec.link == "logit" else "",
        ]
    parts += [
        "active parameters" if spec.size == "active" else "",
        "flagged cells" if spec.flagged else "",
        f"chance {spec.chance}" if spec.chance != "declared" else "",
        spec.vcov if spec.vcov != "CR2" else "",
        f"without {spec.without.replace(':', ' ')}" if spec.without else "",
    ]
    return ", ".join(part for part in parts if part)


def all_specifications(
    study: Study, base: Specification, *, cross: bool = True
) -> dict[str, Specification]:
    """Every specification by name, the base first.

    Parameters
    ----------
    study : Study
    base : Specification
    cross : bool
        Whether to add all combinations of the choices that bear on scores, size and scale.
    """
    found = {"as reported": base, **dict(one_at_a_time(study, base)), **dict(dropped(study, base))}
    if cross:
        known = set(found.values())
        found |= {name: spec for name, spec in crossed(study, base) if spec not in known}
    return found

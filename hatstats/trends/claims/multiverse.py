"""Choices of an analysis as plain data, changed one at a time or crossed.

CR1, OLS and the like do not keep their level with few families, and are no defensible choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from hatstats.estimators.methods import Method, default_method, is_panel
from hatstats.scores.reference import reference_name, settled
from hatstats.scores.wordings import THESE, Scope
from hatstats.study import Study
from hatstats.study.read import as_study
from hatstats.trends.prediction import Link
from hatstats.trends.standard_errors import Vcov

Size = Literal["total", "active"]
#: What is dropped where weakly identified models are left out of trends.
WEAK = "weakly identified"


@dataclass(frozen=True, slots=True)
class Specification:
    """One way to analyse a study.

    Attributes
    ----------
    method : {"latent", "joint", "panel", "observed", "aggregate"}
        Estimator of the profile.
    stages : {1, 2}
        Scores first and then a trend (2), or one regression from accuracies (1).
    slope : float or None
        Slope of target on source logits held at this value (aggregate).
    correlation : float
        Stated correlation of two models on the same items (aggregate, two stages).
    borrow : bool
        Whether latent profiles borrow their shape from the other models of the panel.
    reference : str
        Reference distribution of source accuracy.
    link : {"identity", "logit"}
        Scale of a two-stage trend.
    chance : {"declared", "none", "corrected"}
        From accuracies: correct for the declared chance level, or for none. From items: scores as
        they are ("declared"), or rescaled so that guessing is 0 ("corrected").
    size : {"total", "active"}
        Which number of parameters.
    vcov : {"CR2", "CR3"}
    flagged : bool
        Whether flagged cells are used.
    without : str
        What is dropped: ``language:de``, ``benchmark:mgsm``, ``family:Qwen`` or, from trends alone,
        models that are ``weakly identified``; empty for nothing.
    scope : {"these wordings", "wordings like these"}
        Over what scores of items generalise, as in `TransferProfile.hat`.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.Specification("latent", stages=2, reference="uniform", vcov="CR3").link
    'identity'
    """

    method: Method
    stages: Literal[1, 2]
    slope: float | None = None
    correlation: float = 0.0
    borrow: bool = True
    reference: str = "pooled"
    link: Link = "identity"
    chance: Literal["declared", "none", "corrected"] = "declared"
    size: Size = "total"
    vcov: Vcov = "CR2"
    flagged: bool = False
    without: str = ""
    scope: Scope = THESE

    def for_scores(self) -> Specification:
        """The choices that bear on scores; all others at their defaults."""
        kept = self.without if self.without.startswith(("language:", "benchmark:")) else ""
        return replace(self, link="identity", size="total", vcov="CR2", without=kept)

    def for_profile(self) -> Specification:
        """The choices that bear on the transfer profile; all others at their defaults."""
        found = replace(self.for_scores(), reference="pooled", scope=THESE, stages=2)
        return replace(found, chance="declared") if self.chance == "corrected" else found


def default_specification(
    study: Study,
    *,
    method: Method | None = None,
    reference: str | None = None,
    flagged: bool = False,
    scope: Scope = THESE,
) -> Specification:
    """The default analysis of a study."""
    chosen = method or default_method(study)[0]
    stages: Literal[1, 2] = 1 if chosen == "aggregate" else 2
    name = reference_name(settled(reference, study))
    return Specification(chosen, stages, reference=name, flagged=flagged, scope=scope)


def _references(study: Study) -> tuple[str, ...]:
    """References that a study allows beside one of its models."""
    return ("common", "pooled", "uniform") if study.info.common else ("pooled", "uniform")


def one_at_a_time(study: Study, base: Specification) -> Iterator[tuple[str, Specification]]:
    """Other defensible choices, each changed alone, with what is changed in words.

    `study` includes its flagged cells.
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
        for other in _references(study):
            if other != base.reference:
                yield f"reference {other}", replace(base, reference=other)
        others: dict[Method, Method] = {"latent": "observed", "panel": "joint"}
        conditioning = others.get(base.method, "latent")
        yield f"conditioning {conditioning}", replace(base, method=conditioning)
        if base.method == "latent":
            yield "profiles fitted alone", replace(base, borrow=False)
            if is_panel(study):
                yield "hardness of items from the panel", replace(base, method="panel")
        yield "logits of scores", replace(base, link="logit")
        if has_chance and study.benchmarks["chance"].nunique() == 1:
            yield "scores corrected for chance", replace(base, chance="corrected")
    yield "standard errors CR3", replace(base, vcov="CR3")
    yield "without weakly identified models", replace(base, without=WEAK)
    if _active_differs(study):
        yield "active parameters", replace(base, size="active")


def _active_differs(study: Study) -> bool:
    """Whether some model has another number of active parameters than in total."""
    total, active = (study.models[f"params_{kind}"] for kind in ("total", "active"))
    same = (active.fillna(-1.0) == total.fillna(-1.0)).all()
    return bool(active.notna().any() and not same)


def dropped(study: Study, base: Specification) -> Iterator[tuple[str, Specification]]:
    """The base without each family, benchmark and target language."""
    source_language, counts = study.source_language, study.counts
    sources = set(study.benchmarks["source_language"]) | set(source_language)
    # A family whose source or target rows are all flagged is in no fit, and cannot be left out.
    used = counts["flag"].eq("") | base.flagged
    in_source = counts["language"] == source_language
    scored = [set(counts.loc[used & side, "model"]) for side in (in_source, ~in_source)]
    models = study.models[study.models["model"].isin(scored[0] & scored[1])]
    groups = {
        "family": [name for name in dict.fromkeys(models["family"].dropna()) if name],
        "benchmark": study.benchmark_names,
        "language": [name for name in study.languages if name not in sources],
    }
    for kind, names in groups.items():
        for name in names if len(names) > 1 else ():
            yield f"without {kind} {name}", replace(base, without=f"{kind}:{name}")


def crossed(study: Study, base: Specification) -> Iterator[tuple[str, Specification]]:
    """All combinations of the choices of scores, size and scale, the base first."""
    sizes: tuple[Size, ...] = ("total", "active") if _active_differs(study) else ("total",)
    flags = (base.flagged, True) if len(study.flagged) and not base.flagged else (base.flagged,)
    links: tuple[Link, ...] = ("identity", "logit")
    scales = list(itertools.product(_references(study), links))
    kinds: list[Specification] = []
    if base.method == "aggregate":
        for slope in (None, 1.0):
            one = replace(base, slope=slope)
            two = replace(one, stages=2)
            kinds += [one, *(replace(two, reference=name, link=link) for name, link in scales)]
    else:
        methods: tuple[Method, ...] = ("latent", "observed")
        if base.method not in methods:
            methods = (base.method, "observed")
        for method in methods:
            one = replace(base, method=method)
            kinds += [replace(one, reference=name, link=link) for name, link in scales]
    combinations = (
        replace(kind, size=size, flagged=flagged)
        for kind, size, flagged in itertools.product(kinds, sizes, flags)
    )
    for spec in dict.fromkeys(combinations):
        yield describe(spec), spec


def describe(spec: Specification) -> str:
    """A specification in words."""
    parts = [
        "one regression" if spec.stages == 1 else f"{spec.method}, {spec.reference}",
        "slope held at 1" if spec.slope is not None else "",
        "fitted alone" if not spec.borrow else "",
        "logits" if spec.stages == 2 and spec.link == "logit" else "",
        "active parameters" if spec.size == "active" else "",
        "flagged cells" if spec.flagged else "",
        f"chance {spec.chance}" if spec.chance != "declared" else "",
        spec.vcov if spec.vcov != "CR2" else "",
        f"without {spec.without.replace(':', ' ')}" if spec.without else "",
    ]
    return ", ".join(part for part in parts if part)


def list_specifications(
    study: Study,
    base: Specification | None = None,
    *,
    drop: Collection[str] = ("family", "benchmark", "language"),
    cross: bool = True,
) -> dict[str, Specification]:
    """Defensible analyses of a study by name, for `specification_table`.

    Parameters
    ----------
    study : Study
        With its flagged cells.
    base : Specification, optional
        The analysis as reported, which comes first; the default one if not given. The others
        change one of its choices each.
    drop : collection of {"family", "benchmark", "language"}
        What is dropped, one family, benchmark or language at a time.
    cross : bool
        Add all combinations of the choices of scores, size and scale.

    Returns
    -------
    dict of str to Specification

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study(rng=1)
    >>> for name in hs.list_specifications(study, drop=(), cross=False):
    ...     print(name)
    as reported
    reference uniform
    conditioning observed
    profiles fitted alone
    logits of scores
    standard errors CR3
    without weakly identified models
    """
    study = as_study(study, "list_specifications")
    base = base or default_specification(study)
    found = {"as reported": base, **dict(one_at_a_time(study, base))}
    found |= {
        name: spec for name, spec in dropped(study, base) if spec.without.partition(":")[0] in drop
    }
    if cross:
        listed = set(found.values())
        found |= {name: spec for name, spec in crossed(study, base) if spec not in listed}
    return found

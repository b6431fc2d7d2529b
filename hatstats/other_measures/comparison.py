"""One model against another: accuracy in the source language, in the targets, and HAT."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.inference.intervals import percent
from hatstats.inference.labelled import indented
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.result_frame import Printed, ResultFrame, html_table, p_text, p_words
from hatstats.inference.tidy import tidy_frame
from hatstats.scores.cell_weights import difference, group_name, group_weights
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile, as_profile
from hatstats.scores.wordings import THESE, Scope

#: What is compared: the raw accuracies, and HAT.
MEASURES = ("source accuracy", "target accuracy", "HAT")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ModelComparison(Printed):
    """Two models, or two groups of models, side by side.

    Attributes
    ----------
    a, b : str
        What is compared, in words.
    table : DataFrame
        Rows of differences in the tidy schema with `measure` (``source accuracy``, ``target
        accuracy``, ``HAT``), `language` (``all``, or one), the values `a` and `b`, and
        `p_adjusted`. Intervals of one measure over single languages hold all at once.
    notes : tuple of str
        What weakens the scores of these models.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 2), rng=1)
    >>> profile = hs.fit_profile(study, method="observed")
    >>> found = hs.compare_models(profile, "model-02", "model-01", languages="t01", rng=1)
    >>> found.table["measure"].tolist()
    ['source accuracy', 'target accuracy', 'HAT']
    """

    a: str
    b: str
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    def tidy(self) -> pd.DataFrame:
        """The table."""
        return self.table

    @property
    def caption(self) -> str:
        """What is compared, how, and of which level the intervals are."""
        level = percent(float(self.table["conf_level"].iloc[0]))
        facts = self.table[self.table["measure"] == "HAT"].iloc[0]
        return (
            f"A: {self.a}. B: {self.b} ({facts['method']}, reference {facts['reference']}; {level} "
            f"intervals of A less B, those of single languages all at once)"
        )

    @property
    def finding(self) -> str:
        """Which side has the higher HAT, and whether that is sure, in a sentence."""
        row = self.table[self.table["measure"] == "HAT"].iloc[0]
        sure = row["conf_low"] > 0.0 or row["conf_high"] < 0.0
        return (
            f"HAT of {self.a} is {row['a']:.3f}, of {self.b} {row['b']:.3f}: "
            f"{'a' if sure else 'no'} clear difference, {row['estimate']:+.3f} "
            f"[{row['conf_low']:.3f}, {row['conf_high']:.3f}] "
            f"({percent(float(row['conf_level']))} interval, {p_words(row['p_value'])})."
        )

    def summary(self) -> str:
        """The comparison as plain text of at most 80 columns."""
        lines = [*indented(self.finding), *indented(self.caption)]
        width = max(len("target accuracy, all"), *(len(_name(row)) for row in self._rows()))
        lines.append(f"  {'':<{width}}     A      B   A - B                      adj. p")
        for row in self._rows():
            limits = f"[{row['conf_low']:+.3f}, {row['conf_high']:+.3f}]"
            lines.append(
                f"  {_name(row):<{width}}  {row['a']:.3f}  {row['b']:.3f}  {row['estimate']:+.3f}  "
                f"{limits}  {p_text(row['p_adjusted'])}"
            )
        return "\n".join([*lines, *(line for note in self.notes for line in indented(note))])

    def _rows(self) -> list[dict[str, Any]]:
        return [{str(k): v for k, v in row.items()} for row in self.table.to_dict("records")]

    def _repr_html_(self) -> str:
        said = f"{self.finding} {self.caption}."
        return (
            f"<p>{html.escape(said)}</p>{html_table(self.table.drop(columns='term'), self.notes)}"
        )


def _name(row: dict[str, Any]) -> str:
    """Measure and language of a row in words."""
    return f"{row['measure']}, {row['language']}" if row["language"] else str(row["measure"])


def compare_models(
    profile: TransferProfile,
    a: str | Sequence[str],
    b: str | Sequence[str],
    *,
    languages: str | Sequence[str] | None = None,
    reference: str | ArrayLike | None = None,
    scope: Scope = THESE,
    conf_level: float = 0.95,
    rng: RandomSource = None,
) -> ModelComparison:
    """One model against another: accuracies and HAT, over all languages and in each.

    Parameters
    ----------
    profile : TransferProfile
        From `fit_profile`.
    a, b : str or sequence of str
        A model, or several whose mean is taken.
    languages : str or sequence of str, optional
        Target languages to compare in; all if not given.
    reference, scope
        As in ``profile.hat``. Raw target accuracy is HAT under the reference ``own``.
    conf_level : float
    rng : Generator, int or None
        Source of the draws of simultaneous intervals; the seed stands in ``table.attrs["seed"]``.

    Returns
    -------
    ModelComparison

    Raises
    ------
    DataError
        For an unknown model, language or reference.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 2), rng=1)
    >>> profile = hs.fit_profile(study, method="observed")
    >>> print(hs.compare_models(profile, "model-02", "model-01", rng=1))
      HAT of model-02 is 0.429, of model-01 0.404: no clear difference, +0.025
      [-0.014, 0.064] (95% interval, p = 0.205).
      A: model-02. B: model-01 (observed, reference pooled; 95% intervals of A
      less B, those of single languages all at once)
                               A      B   A - B                      adj. p
      source accuracy       0.675  0.480  +0.195  [+0.152, +0.237]  <0.001
      target accuracy, all  0.500  0.342  +0.158  [+0.113, +0.203]  <0.001
      target accuracy, t01  0.498  0.343  +0.155  [+0.094, +0.216]  <0.001
      target accuracy, t02  0.502  0.341  +0.161  [+0.100, +0.222]  <0.001
      HAT, all              0.429  0.404  +0.025  [-0.014, +0.064]  0.205
      HAT, t01              0.428  0.407  +0.021  [-0.037, +0.078]  0.661
      HAT, t02              0.431  0.402  +0.029  [-0.027, +0.085]  0.420
    """
    profile = as_profile(profile, "compare_models")
    generator, seed = seeded(rng)
    seeds = generator.integers(2**63 - 1, size=2)
    scores = profile.hat(reference, languages=languages, scope=scope)
    raw = profile.hat("own", languages=languages, scope=scope)
    term, weights = difference(scores.models, a, b)
    M = len(weights)
    of_source = np.concatenate([np.zeros(M), weights, np.zeros(len(scores.joint_cov) - 2 * M)])
    variance = of_source @ scores.joint_cov @ of_source
    source = tidy_frame(
        term,
        float(weights @ scores.source),
        float(np.sqrt(np.maximum(variance, 0.0))),
        df=scores.degrees_of_freedom(of_source[None]),
        conf_level=conf_level,
        method="observed",
        identifiers={"reference": "own"},
    )
    parts = [_with_sides(source, MEASURES[0], "", scores, scores.source, (a, b))]
    for measure, found, draw in zip(MEASURES[1:], (raw, scores), seeds, strict=True):
        whole, each = found.contrast(a, b, conf_level).tidy(), pd.DataFrame()
        if found.cells["language"].nunique() > 1:
            each = _by_language(found, measure, (a, b), conf_level, int(draw))
        name = "all" if len(each) else str(found.cells["language"].iloc[0])
        parts += [_with_sides(whole, measure, name, found, found.estimates, (a, b)), each]
    table = ResultFrame(pd.concat(parts, ignore_index=True))
    table["p_adjusted"] = table["p_adjusted"].fillna(table["p_value"])
    table.attrs |= {"seed": seed, "scope": scope}
    involved = (group_weights(scores.models, a) + group_weights(scores.models, b)) > 0
    marks = scores.overlap["model"].isin(np.array(scores.models)[involved])
    notes = tuple(str(note) for note in scores.overlap.loc[marks, "note"] if note)
    return ModelComparison(group_name(a), group_name(b), table, notes)


def _with_sides(
    row: pd.DataFrame,
    measure: str,
    language: str,
    scores: HatScores,
    values: np.ndarray,
    sides: tuple[str | Sequence[str], str | Sequence[str]],
) -> pd.DataFrame:
    """A row with its measure, language and the value (M,) of either side in front."""
    a, b = (float(group_weights(scores.models, side) @ values) for side in sides)
    first = pd.DataFrame({"measure": [measure], "language": [language], "a": [a], "b": [b]})
    return pd.concat([first, row], axis=1).assign(p_adjusted=np.nan)


def _by_language(
    scores: HatScores,
    measure: str,
    sides: tuple[str | Sequence[str], str | Sequence[str]],
    conf_level: float,
    rng: int,
) -> pd.DataFrame:
    """Differences in each language, all at once, with the value of either side."""
    names = [[side] if isinstance(side, str) else list(side) for side in sides]
    each = scores.by("language", models=[*names[0], *names[1]], each_model=True)
    table = each.between(*sides, conf_level, rng=rng)
    table.insert(0, "measure", measure)
    return table

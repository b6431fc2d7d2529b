"""Facts and assumptions of the preset ``paper``: twenty models, three benchmarks, their levels.

Names, families, sizes, dates and the shapes of the benchmarks are facts with sources. Levels of
accuracy and of transfer are assumptions, based on a published figure only where a comment says so.

A model knows the answer to an item in its source language with probability ``expit(eta)``,
``eta ~ N(ability, spread^2)``, and answers correctly with probability ``c + (1 - c) expit(eta)``,
c the chance of guessing correctly. A world transfers knowledge to the other languages, shifted by
the model's and the language's shift; guessing is added in each language.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from hatstats.inference.arrays import Floats
from hatstats.simulation.worlds import check_values

#: The models of arXiv 2606.21954: name, family, date, all parameters, active parameters. Names as
#: in ``data/euroeval``; sources as in ``data/derive/maps/facts.csv``: dates by models.dev
#: f3fc6922 and providers, Gemma and Qwen sizes counted in weight files by EuroEval 1a77f1d2, active
#: ones by model cards and the Qwen3 report, GPT-OSS by its model card. Claude-Opus-4.7 and
#: GPT-OSS-120B: models.dev f3fc6922 and model card. Sizes of the others are undisclosed.
MODELS: tuple[tuple[str, str, str, float, float], ...] = (
    ("Gemini-2.5-Flash", "Gemini", "2025-06-17", np.nan, np.nan),
    ("Gemini-2.5-Flash (thinking off)", "Gemini", "2025-06-17", np.nan, np.nan),
    ("Gemini-3-Flash", "Gemini", "2025-12-17", np.nan, np.nan),
    ("Gemini-3-Flash (low)", "Gemini", "2025-12-17", np.nan, np.nan),
    ("Gemini-3-Flash (minimal)", "Gemini", "2025-12-17", np.nan, np.nan),
    ("Gemma-3-1B", "Gemma", "2025-03-12", 999_885_952, 999_885_952),
    ("Gemma-3-4B", "Gemma", "2025-03-12", 4_300_079_472, 4_300_079_472),
    ("Gemma-3-12B", "Gemma", "2025-03-12", 12_187_325_040, 12_187_325_040),
    ("Gemma-3-27B", "Gemma", "2025-03-12", 27_432_406_640, 27_432_406_640),
    ("Gemma-4-E2B", "Gemma", "2026-04-02", 5_123_178_979, 2.3e9),
    ("Gemma-4-E4B", "Gemma", "2026-04-02", 7_996_157_418, 4.5e9),
    ("Gemma-4-26B-A4B", "Gemma", "2026-04-02", 25_805_936_206, 3.8e9),
    ("Gemma-4-31B", "Gemma", "2026-04-02", 31_273_088_876, 31_273_088_876),
    ("Claude-Haiku-4.5", "Claude", "2025-10-15", np.nan, np.nan),
    ("Claude-Sonnet-4.6", "Claude", "2026-02-17", np.nan, np.nan),
    ("Claude-Opus-4.7", "Claude", "2026-04-16", np.nan, np.nan),
    ("Qwen3-4B", "Qwen", "2025-04-29", 4_022_468_096, 4_022_468_096),
    ("Qwen3-30B-A3B", "Qwen", "2025-04-29", 30_532_122_624, 3.3e9),
    ("GPT-OSS-20B", "GPT-OSS", "2025-08-05", 20.9e9, 3.6e9),
    ("GPT-OSS-120B", "GPT-OSS", "2025-08-05", 116.8e9, 5.1e9),
)
#: Assumed: the size of every model that does not disclose it. It is NaN in the study itself.
STAND_IN_SIZE = 2e11
#: Origin of the two covariates, to which the levels below refer.
ORIGIN_SIZE, ORIGIN_DATE = 1e10, "2025-03-12"
#: Assumed trends of transfer, in logits of target accuracy, per tenfold parameters and per year.
TRANSFER_SLOPES = (0.20, 0.30)

#: Drop from English to each language, in chance-corrected logits: rounded medians over the eight
#: models of the published MMLU-ProX table (mmluprox.github.io @ce9b9aba; ``data/mmlu_prox``).
#: Hebrew, which the table lacks, has the drop of Arabic.
LANGUAGE_DROPS: dict[str, float] = {
    "af": -0.13, "ar": -0.22, "bn": -0.42, "cs": -0.13, "de": -0.17, "en": 0.0, "es": -0.06,
    "fr": -0.11, "he": -0.22, "hi": -0.27, "hu": -0.18, "id": -0.07, "it": -0.03, "ja": -0.23,
    "ko": -0.20, "mr": -0.35, "ne": -0.26, "pt": -0.11, "ru": -0.25, "sr": -0.13, "sw": -0.69,
    "te": -0.39, "th": -0.24, "uk": -0.14, "ur": -0.26, "vi": -0.18, "wo": -2.23, "yo": -1.55,
    "zh": -0.23, "zu": -1.28,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Shape of a benchmark, and the levels of accuracy and transfer assumed for it.

    `languages` are in alphabetical order; `source` is ``""`` where each item has its own source
    language, and languages then have equally many items. A model at the origin knows an item in its
    source language with mean logit `ability`, which changes by `ability_slopes` per tenfold
    parameters and per year; `transfer` is the shift of its target logit, mean over languages.
    """

    name: str
    languages: tuple[str, ...]
    n_items: int
    source: str
    chance: float
    ability: float
    ability_slopes: tuple[float, float]
    transfer: float

    def language_shifts(self) -> Floats:
        """Shift of each language's target logit, shape (L,), mean 0 over target languages."""
        drops = np.array([LANGUAGE_DROPS[language] for language in self.languages])
        targets = [language != self.source for language in self.languages]
        return np.asarray(drops - drops[targets].mean(), dtype=float)


BENCHMARKS: tuple[Benchmark, ...] = (
    # Shape: arXiv 2502.21228. Levels: the published figures of `ECLEKTIC_OVERALL` and a line
    # through them for the other models.
    Benchmark(
        name="eclektic",
        languages=("de", "en", "es", "fr", "he", "hi", "id", "it", "ja", "ko", "pt", "zh"),
        n_items=384,
        source="",
        chance=0.0,
        ability=-1.42,
        ability_slopes=(1.73, 0.50),
        transfer=0.0,
    ),
    # Shape: arXiv 2210.03057. Levels: assumed, with able models near the ceiling.
    Benchmark(
        name="mgsm",
        languages=("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"),
        n_items=250,
        source="en",
        chance=0.0,
        ability=1.0,
        ability_slopes=(1.0, 0.5),
        transfer=0.3,
    ),
    # Shape: arXiv 2503.10497. Levels: nothing is published of these models; abilities are assumed,
    # and transfer is such that models at least as able as the weakest of the published eight
    # (English .735) have, on average, their mean ratio of target to English accuracy, .907.
    Benchmark(
        name="mmlu_prox_lite",
        languages=tuple(language for language in LANGUAGE_DROPS if language != "he"),
        n_items=658,
        source="en",
        chance=0.1,
        ability=0.3,
        ability_slopes=(0.9, 0.4),
        transfer=0.1,
    ),
)

#: Published by the vendor: share of ECLeKTic's target questions answered correctly that are also
#: answered correctly in their source language. Not comparable with other protocols.
ECLEKTIC_OVERALL = {
    "Gemma-3-1B": 0.014,
    "Gemma-3-4B": 0.046,
    "Gemma-3-12B": 0.103,
    "Gemma-3-27B": 0.167,
}
#: Abilities that give these figures in the world ``logit_normal`` with the default design.
ECLEKTIC_ABILITY = {
    "Gemma-3-1B": -3.1760,
    "Gemma-3-4B": -2.0293,
    "Gemma-3-12B": -1.2376,
    "Gemma-3-27B": -0.6914,
}


@dataclass(frozen=True, slots=True)
class PaperDesign:
    """What can be changed about the preset ``paper``.

    Attributes
    ----------
    n_trials : int
    spread : float
        Standard deviation of an item's logit for one model.
    piled : float
        Share of items that a model answers almost never or almost always, in [0, 1].
    family_sd, model_sd : float
        Spread of families and of models about the trend of transfer, in logits. The deviations are
        fixed normal scores times these, the same in every draw; with 0 the models lie on the trend.
    item_factor : float
        Number of items over that of the real benchmarks; below 1 for quick tests.

    Examples
    --------
    >>> import hatstats as hs
    >>> small = hs.PaperDesign(item_factor=0.05, n_trials=2)
    >>> len(hs.simulate_study(preset="paper", design=small, rng=1).models)
    20
    """

    n_trials: int = 10
    spread: float = 1.5
    piled: float = 0.0
    family_sd: float = 0.1
    model_sd: float = 0.1
    item_factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse invalid numbers."""
        checks = (
            ("n_trials", self.n_trials >= 1, "ask each item at least once."),
            ("spread", self.spread > 0, "give a standard deviation above 0."),
            ("piled", 0 <= self.piled <= 1, "give a share between 0 and 1."),
            ("family_sd", self.family_sd >= 0, "give a standard deviation, 0 for none."),
            ("model_sd", self.model_sd >= 0, "give a standard deviation, 0 for none."),
            ("item_factor", self.item_factor > 0, "give a factor above 0, 1 for real sizes."),
        )
        check_values(self, checks, "invalid design of a simulation")

    def items_of(self, benchmark: Benchmark) -> int:
        """Return the number of items of a benchmark; at least one for each source language."""
        fewest = 1 if benchmark.source else len(benchmark.languages)
        return max(round(benchmark.n_items * self.item_factor / fewest), 1) * fewest


def models() -> pd.DataFrame:
    """Models table of the study."""
    table = pd.DataFrame(
        MODELS, columns=["model", "family", "release_date", "params_total", "params_active"]
    )
    return table.assign(release_date=table["release_date"].astype("datetime64[s]"))


def _normal_scores(count: int, step: int) -> Floats:
    """Standardised normal scores (count,), permuted by steps of `step`."""
    scores = special.ndtri(((np.arange(count) * step) % count + 0.5) / count)
    return np.asarray(scores / scores.std(), dtype=float)


def true_models(design: PaperDesign) -> pd.DataFrame:
    """`model, log_size, years, shift` of each model, as simulated; the same for every seed.

    `log_size` is log10 of parameters over the origin, with `STAND_IN_SIZE` where the size is
    undisclosed, and `years` are since the origin; `shift` is that of the target logit.
    """
    table = models()
    size = table["params_total"].fillna(STAND_IN_SIZE).to_numpy(dtype=float)
    log_size = np.log10(size / ORIGIN_SIZE)
    days = (table["release_date"] - pd.Timestamp(ORIGIN_DATE)).dt.days.to_numpy(dtype=float)
    years = days / 365.25
    family, families = pd.factorize(table["family"])
    shift = np.column_stack([log_size, years]) @ TRANSFER_SLOPES
    shift = shift + design.family_sd * _normal_scores(len(families), 2)[family]
    shift = shift + design.model_sd * _normal_scores(len(table), 7)
    columns = {"log_size": log_size, "years": years, "shift": shift}
    return table[["model"]].assign(**columns)


def true_levels(design: PaperDesign, benchmark: Benchmark) -> tuple[Floats, Floats]:
    """Mean source logit, and shift of the target logit, of each model on a benchmark; both (M,)."""
    models = true_models(design)
    x = models[["log_size", "years"]].to_numpy(dtype=float)
    ability = benchmark.ability + x @ benchmark.ability_slopes
    if benchmark.name == "eclektic":
        published = models["model"].map(ECLEKTIC_ABILITY).to_numpy(dtype=float)
        ability = np.where(np.isnan(published), ability, published)
    return ability, benchmark.transfer + models["shift"].to_numpy(dtype=float)

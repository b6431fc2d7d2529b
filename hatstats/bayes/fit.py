"""`fit_hierarchical`: one joint posterior over models, benchmarks and languages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hatstats.bayes.cell_model import CELL_DIMS, CellModel, Values, group_dims
from hatstats.bayes.claims import claim_formula, claim_probabilities
from hatstats.bayes.effects import build_effects
from hatstats.bayes.estimates import linearise, study_cells, with_method
from hatstats.bayes.options import CellOptions, Priors, Sampling, own_random_state
from hatstats.bayes.posterior import made_by
from hatstats.bayes.result import KIND, SCHEMA, ClaimFits, HierarchicalFit, read_tree
from hatstats.bayes.trend_design import TrendDesign, language_facts, trend_design
from hatstats.errors import DataError, NotIdentifiedError, explained_imports
from hatstats.inference.arrays import Floats
from hatstats.inference.progress import shown_if_slow
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.scores.counts import aggregate_counts
from hatstats.study import Study, as_study

#: Arrays by name, each with the names of its dimensions.
Labelled = dict[str, tuple[tuple[str, ...], Floats]]

#: Draws from the prior that are kept.
_PRIOR_DRAWS = 500


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that decides a posterior, apart from the study."""

    formula: str | None
    priors: Priors
    cells: CellOptions
    languages: str | None = None


def fingerprint(study: Study, languages: str | None = None) -> str:
    """Hash of a study's tables; of that of languages where a fit has facts about them."""
    digest = sha256()
    tables = [study.counts, study.models, study.benchmarks, study.items]
    for table in (*tables, study.language_table) if languages else tables:
        digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def prepare(
    study: Study, request: Request, *, trusted: bool = False
) -> tuple[CellModel, TrendDesign]:
    """Cells, effects and trend of a study, before anything is drawn."""
    request = replace(request, cells=with_method(request.cells, study))
    units, parts = study_cells(study, request.cells)
    present = {name for unit in units for name in unit.models}
    table = study.models[study.models["model"].isin(present).to_numpy()].reset_index(drop=True)
    design = trend_design(table, request.formula, trusted=trusted)
    if request.languages is not None:
        targets = list(dict.fromkeys(name for unit in units for name in unit.languages))
        known = study.language_table
        facts, scale = language_facts(known, targets, request.languages, trusted=trusted)
        design = replace(design, facts=facts, fact_scale=scale)
    families = dict(zip(table["model"], table["family"], strict=True))
    effects = build_effects(units, families, design, request.priors)
    counts = [None if u.by_item else aggregate_counts(study, u.benchmark) for u in units]
    parts = linearise(effects, parts, counts, request.priors)
    models = tuple(str(name) for name in table["model"])
    found = CellModel(effects, parts, models, design.terms, families, request.priors, request.cells)
    return found, design


def _flatten(values: Mapping[str, Floats]) -> Values:
    """Arrays with chains and draws as one dimension."""
    return {name: value.reshape(-1, *value.shape[2:]) for name, value in values.items()}


def _labelled(values: Values, lead: tuple[int, ...], cells: CellModel) -> Labelled:
    """Arrays (D, ...) with chains and draws unfolded, and names of all dimensions."""
    dims = {group.name: group_dims(group.name) for group in cells.effects.groups}
    dims |= {"line": ("benchmark",), "measures": ("measure",)}
    out: Labelled = {}
    for name, value in values.items():
        inner = dims.get(name, CELL_DIMS)[: value.ndim - 1]
        out[name] = (("chain", "draw", *inner), value.reshape(*lead, *value.shape[1:]))
    return out


def make_tree(
    cells: CellModel,
    sampled: tuple[Values, Values],
    prior: Values,
    facts: dict[str, Any],
    rng: np.random.Generator,
) -> Any:
    """DataTree of a fit.

    `sampled` (chains, draws, ...): parameters, with `log_prior` of each draw, and statistics of the
    sampler; `prior` (1, draws, ...): parameters drawn from their priors; `facts`: arguments and
    circumstances; kept as JSON text.
    """
    import xarray as xr

    parameters, statistics = dict(sampled[0]), dict(sampled[1])
    prior_of_parameters = parameters.pop("log_prior")
    lead = prior_of_parameters.shape
    values = cells.complete(_flatten(parameters), rng)
    statistics["log_prior"] = values.pop("log_prior").reshape(lead) + prior_of_parameters
    statistics["log_likelihood"] = values.pop("log_likelihood").reshape(lead)
    prior_values = cells.complete(_flatten(prior), rng, prior=True)
    del prior_values["log_prior"], prior_values["log_likelihood"]
    every = max(1, lead[0] * lead[1] // cells.n_leave_out)
    thin = {name: value[:, ::every] for name, value in parameters.items()}
    thin_lead = thin["sd_cell"].shape
    coords = cells.coords()
    coords["held_out_cell"] = [
        f"{unit.models[m]}, {unit.benchmark}, {unit.languages[n]}"
        for unit in cells.effects.units
        for m, n in zip(unit.cell_model, unit.cell_language, strict=True)
    ]
    held_out = cells.marginal.leave_out(cells.scales(_flatten(thin))).reshape(*thin_lead, -1)
    thin_values = _flatten(
        {name: v.reshape(*lead, *v.shape[1:])[:, ::every] for name, v in values.items()}
    )
    observed: Labelled = {
        name: (("measure",) if name == "measures" else CELL_DIMS[: value.ndim], value)
        for name, value in cells.observed().items()
    }
    units, parts = cells.effects.units, cells.parts
    booleans = ("diverging", "maxdepth_reached")
    groups: dict[str, Labelled] = {
        "posterior": _labelled(values, lead, cells),
        "prior": _labelled(prior_values, (1, _PRIOR_DRAWS), cells),
        "posterior_predictive": _labelled(cells.predictive(thin_values, rng), thin_lead, cells),
        "log_likelihood": {"cell": (("chain", "draw", "held_out_cell"), held_out)},
        "sample_stats": {
            name: (("chain", "draw"), value.astype(bool) if name in booleans else value)
            for name, value in statistics.items()
        },
        "observed_data": {k: v for k, v in observed.items() if not k.endswith("_se")},
        "constant_data": {
            **{k: v for k, v in observed.items() if k.endswith("_se")},
            "chance": (("benchmark",), np.array([unit.chance for unit in units])),
            "centre": (("benchmark",), np.array([part.centre for part in parts])),
            "by_item": (("benchmark",), np.array([unit.by_item for unit in units])),
        },
    }
    datasets = {}
    for name, arrays in groups.items():
        used = {dim for dims, _ in arrays.values() for dim in dims}
        labels = {dim: coords[dim] for dim in used if dim in coords}
        datasets[name] = xr.Dataset(arrays, coords=labels)
        if "draw" in used:
            sizes = datasets[name].sizes
            datasets[name] = datasets[name].assign_coords(
                chain=np.arange(sizes["chain"]), draw=np.arange(sizes["draw"])
            )
            datasets[name].attrs["sample_dims"] = ["chain", "draw"]
    tree = xr.DataTree.from_dict(datasets)
    tree.attrs |= {"kind": KIND, "schema": SCHEMA, "made_by": json.dumps(facts, sort_keys=True)}
    return tree


@explained_imports()
def fit_hierarchical(
    study: Study,
    *,
    formula: str | None = None,
    languages: str | None = None,
    priors: Priors | None = None,
    cells: CellOptions | None = None,
    sampling: Sampling | None = None,
    rng: RandomSource = None,
    trusted: bool = False,
) -> HierarchicalFit:
    """Fit one joint model to all models, benchmarks and languages of a study.

    Its data are the estimates of every model, benchmark and language with their full covariance:
    by profiles where items are known, by accuracies with errors in source and target elsewhere.

    Parameters
    ----------
    study : Study
        Item-level and aggregate benchmarks may be mixed. Flagged cells are used if they are in
        it: call ``study.without_flagged()`` first to leave them out.
    formula : str, optional
        Covariates of the models, for both source ability and transfer, such as
        ``"log10(params_total) + release_year"``. Models of undisclosed size stay in.
    languages : str, optional
        Facts about the target languages that transfer depends on, columns of ``languages.csv``:
        ``"log10(wikipedia_articles)"``. Languages are a sample: what facts do not explain is the
        effect of the language. The posterior twin of `fit_language_trend`, in logits.
    priors : Priors, optional
    cells : CellOptions, optional
        How the cells are estimated.
    sampling : Sampling, optional
        Sampler, numbers of draws and chains.
    rng : Generator, int or None
        The same seed gives the same draws. Without one a fresh seed is drawn; it is `seed` of the
        result and stands in its summary.
    trusted : bool
        Evaluate the formula as Python, with all that formulaic offers: see `fit_trend`.

    Returns
    -------
    HierarchicalFit

    Raises
    ------
    DataError
        For invalid priors, covariates or options.
    NotIdentifiedError
        If a model has no target rows, or the study lacks what the model needs.
    FitError
        If the sampler failed or was interrupted.

    Examples
    --------
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=30, n_languages=2, n_trials=4)
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5, 1.0], shape=shape, rng=1)
    >>> few = hs.Sampling(draws=60, tune=100, chains=2)  # for an example only
    >>> fit = hs.fit_hierarchical(study, sampling=few, rng=1)
    >>> fit.method, fit.seed
    ('Bayes, cells by latent', 1)
    >>> fit.hat().tidy()[["model", "estimate", "conf_low", "conf_high"]].shape
    (4, 4)
    """
    study = as_study(study, "fit_hierarchical")
    request = Request(formula, priors or Priors(), cells or CellOptions(), languages)
    how = sampling or Sampling(progress=shown_if_slow("hierarchical model"))
    generator, given_seed = seeded(rng)
    seed, prior_seed = generator.integers(2**31, size=2).tolist()
    found, design = prepare(study, request, trusted=trusted)
    fit = HierarchicalFit(study, found, design, None)
    # PyMC takes seconds to import.
    with own_random_state():
        from hatstats.bayes.model import draw_prior, log_prior, sample

    posterior, statistics, seconds = sample(found.marginal, found.priors, fit.model, how, seed)
    posterior["log_prior"] = log_prior(fit.model, posterior)
    facts = asdict(request) | {
        "study": study.name,
        "fingerprint": fingerprint(study, languages),
        "seconds": round(seconds, 3),
        "seed": given_seed,
    }
    prior = draw_prior(fit.model, _PRIOR_DRAWS, prior_seed)
    tree = make_tree(found, (posterior, statistics), prior, facts, generator)
    return replace(fit, idata=tree)


@explained_imports()
def read_hierarchical(path: str | Path, study: Study, *, trusted: bool = False) -> HierarchicalFit:
    """Read a fit that `HierarchicalFit.save` wrote; nothing is sampled, no pickle is involved.

    Parameters
    ----------
    path : str or path
    study : Study
        The study that was fitted.
    trusted : bool
        Evaluate the formula that the file records as Python, whoever wrote it: see `fit_trend`.

    Returns
    -------
    HierarchicalFit

    Raises
    ------
    DataError
        If the file cannot be read, is not a fit of hatstats, or is of another study.

    Examples
    --------
    >>> import tempfile
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=30, n_languages=2, n_trials=4)
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5, 1.0], shape=shape, rng=1)
    >>> few = hs.Sampling(draws=60, tune=100, chains=2)  # for an example only
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = f"{folder}/posterior.nc"
    ...     _ = hs.fit_hierarchical(study, sampling=few, rng=1).save(saved)
    ...     fit = hs.read_hierarchical(saved, study)
    >>> fit.method
    'Bayes, cells by latent'
    """
    study = as_study(study, "read_hierarchical")
    tree = read_tree(path)
    try:
        facts = made_by(tree)
        of_study, name = facts["fingerprint"], facts["study"]
        cells, priors = CellOptions(**facts["cells"]), Priors(**facts["priors"])
        request = Request(facts["formula"], priors, cells, facts.get("languages"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = f"what the saved fit says of itself cannot be read ({type(error).__name__})"
        raise DataError(reason, file=Path(path).name, hint="fit again and save anew.") from error
    if of_study != fingerprint(study, request.languages):
        raise DataError(
            f"the saved fit is of another study ({name!r}), or of other data of it",
            file=Path(path).name,
            value=study.name,
            hint="give the study that was fitted, with the same flagged cells left out.",
        )
    return HierarchicalFit(study, *prepare(study, request, trusted=trusted), tree)


def fit_claims(
    study: Study,
    *,
    priors: Priors | None = None,
    cells: CellOptions | None = None,
    rope: tuple[float, float] = (-0.01, 0.01),
    sampling: Sampling | None = None,
    rng: RandomSource = None,
) -> ClaimFits:
    """Fit one posterior for each trend that the registered claims of a study name.

    Parameters
    ----------
    study : Study
        Its ``claims``; without any, one fit without a trend is made.
    priors, cells, sampling, rng
        See `fit_hierarchical`.
    rope : pair of float
        See `claim_probabilities`.

    Returns
    -------
    ClaimFits

    Examples
    --------
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=30, n_languages=2, n_trials=4)
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5, 1.0], shape=shape, rng=1)
    >>> few = hs.Sampling(draws=60, tune=100, chains=2)  # for an example only
    >>> found = hs.fit_claims(study, sampling=few, rng=1)
    >>> list(found.fits), len(found.claims)  # no claims are registered: a fit without a trend
    ([''], 0)
    """
    study = as_study(study, "fit_claims")
    how = sampling or Sampling(progress=shown_if_slow("hierarchical model"))
    named = dict.fromkeys(claim_formula(claim) for claim in study.claims)
    # A contrast names no formula: any fit answers it.
    formulas = [formula for formula in named if formula] or [""]
    generator, seed = seeded(rng)
    generators = generator.spawn(len(formulas) + 1)
    fits: dict[str, HierarchicalFit] = {}
    reasons: dict[str, str] = {}
    for number, formula in enumerate(formulas):

        def progress(text: str, share: float, done: int = number) -> None:
            if how.progress is not None:
                how.progress(text, (done + share) / len(formulas))

        options = replace(how, progress=progress) if how.progress is not None else how
        try:
            fits[formula] = fit_hierarchical(
                study,
                formula=formula or None,
                priors=priors,
                cells=cells,
                sampling=options,
                rng=generators[number],
            )
        except NotIdentifiedError as error:
            # A registered claim is answered even when the study cannot test it.
            reasons[formula] = error.reason
    if not fits:
        fits[""] = fit_hierarchical(
            study, priors=priors, cells=cells, sampling=how, rng=generators[-1]
        )
    rows = []
    for claim in study.claims:
        formula = claim_formula(claim)
        row = claim_probabilities(fits.get(formula, next(iter(fits.values()))), [claim], rope)
        rows.append(row.assign(reason=reasons[formula]) if formula in reasons else row)
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
    return ClaimFits(fits, table, seed)

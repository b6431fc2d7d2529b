"""What follows from draws of the count rung: effects, HAT, new tables, densities of items."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hatstats.bayes.cell_model import Values, group_array
from hatstats.bayes.count_blocks import BinomialBlock
from hatstats.bayes.count_density import CountDensity
from hatstats.bayes.count_tables import MEASURES as TABLE_MEASURES
from hatstats.bayes.count_tables import draw_counts, table_measures
from hatstats.bayes.measured import MEASURES as RAW_MEASURES
from hatstats.bayes.measured import raw_measures
from hatstats.bayes.profiles import (
    Drawn,
    chance_level,
    grid_accuracy,
    source_shares,
    target_curve,
)
from hatstats.bayes.standardise import line_hat
from hatstats.scores.reference import reference_mixture

Floats = NDArray[np.float64]
#: Numbers of a profile held at once.
_BLOCK = 3_000_000


def complete(model: CountDensity, natural: Floats, rng: np.random.Generator) -> Values:
    """Draws of everything, given draws of all coordinates (D, P); see `CellModel.complete`.

    `log_likelihood` is not among them: `log_likelihoods` computes it, unless the sampler has.
    """
    names, effects = model.names, model.effects
    shape = (len(natural), len(names.models), len(names.benchmarks))
    values: Values = {
        part.name: np.full(
            shape if (part.language < 0).all() else (*shape, len(names.languages)), np.nan
        )
        for part in model.parts
    }
    table = np.empty((len(natural), effects.matrix.shape[1]))
    slopes = np.full((len(natural), len(model.blocks)), np.nan)
    log_prior = np.empty(len(natural))
    phi = np.empty((len(natural), model.parts[-1].at.stop))
    where = [model.places(b) for b in range(len(effects.units))]
    for draw, row in enumerate(natural):
        state = model.parse(row)
        phi[draw] = state.cells.value
        table[draw] = model.all_effects(state)
        slopes[draw, model.lines] = state.slopes[model.lines]
        rows = state.matrix @ state.effects.value
        for b in model.lines:
            # Cells that were not seen are predicted.
            level = rows[effects.rows(b, "model")][:, None] + rows[effects.rows(b, "language")]
            own = model.cell_deviation(row) * rng.standard_normal(level.shape)
            models, languages = where[b]
            values["transfer"][draw, models[:, None], b, languages] = level + own
        log_prior[draw] = model.log_prior(row, table[draw])
    for part in model.parts:
        index = np.array([where[b][0][m] for b, m in zip(part.unit, part.model, strict=True)])
        if (part.language < 0).all():
            values[part.name][:, index, part.unit] = phi[:, part.at]
            continue
        language = np.array(
            [where[b][1][place] for b, place in zip(part.unit, part.language, strict=True)]
        )
        values[part.name][:, index, part.unit, language] = phi[:, part.at]
    for group in effects.groups:
        values[group.name] = group_array(table[:, group.columns], group.name, group.levels, names)
    if model.lines:
        values["line"] = slopes
    values["log_prior"] = log_prior
    return values


def log_likelihoods(model: CountDensity, natural: Floats) -> Floats:
    """Log-likelihood of all counts at draws of all coordinates (D, P)."""
    states = [model.parse(row) for row in natural]
    return np.array([model.blocks_at(state.cells.value, state.slopes)[0] for state in states])


def drawn_parameters(model: CountDensity, values: Values, b: int, m: int) -> Drawn:
    """Parameters of one joint block by their name in its layout, (D,) or (D, A)."""
    block = model.blocks[b]
    assert not isinstance(block, BinomialBlock)
    one, layout = block[m], block[m].fit.layout
    models, languages = model.places(b)
    at = models[m], b
    out: Drawn = {}
    for name in layout.global_names:
        label = {"mu": "source", "sigma": "log_sigma"}.get(name, name)
        out[name] = values[label][:, *at]
    out["sigma"] = np.exp(out["sigma"])
    for name in layout.local_names:
        label = "transfer" if name == "alpha" else name
        out[name] = np.nan_to_num(values[label][:, *at][:, languages[one.asked]])
    out["alpha"] = out["alpha"] - one.centre * out["beta"]
    return out


def hat_cells(model: CountDensity, values: Values, reference: str | ArrayLike) -> Floats:
    """HAT per model, benchmark and language, the reference computed anew in each draw."""
    out = np.full(values["transfer"].shape, np.nan)
    for b, (unit, block) in enumerate(zip(model.effects.units, model.blocks, strict=True)):
        models, languages = model.places(b)
        if isinstance(block, BinomialBlock):
            at = (slice(None), models[:, None], b, languages)
            out[at] = line_hat(
                values["source"][:, models, b],
                values["transfer"][at],
                values["line"][:, b],
                block.centre,
                (unit.chance, unit.models, reference),
            )
            continue
        chance = 0.0 if model.joint.chance == "estimated" else unit.chance
        mixture = reference_mixture(reference, unit.models, grid_accuracy(chance))
        drawn = [drawn_parameters(model, values, b, m) for m in range(len(unit.models))]
        own = np.stack([source_shares(part, model.joint) for part in drawn], axis=1)
        weights = np.einsum("mk,dkq->dmq", mixture.mixing, own) + mixture.fixed
        for m, part in enumerate(drawn):
            step = max(1, _BLOCK // (part["alpha"].shape[1] * weights.shape[-1]))
            for start in range(0, len(out), step):
                here = slice(start, start + step)
                curve = target_curve(
                    {name: value[here] for name, value in part.items()}, model.joint, unit.chance
                )
                mean = np.einsum("dlq,dq->dl", curve, weights[here, m])
                rows = out[here, models[m], b]
                rows[:, languages[block[m].asked]] = mean
                out[here, models[m], b] = rows
    return out


def typical(
    model: CountDensity, values: Values, b: int, eta: Floats, level: Floats
) -> tuple[Floats, Floats]:
    """Source accuracy and HAT of a typical model: source logit (D,), transfer logits (D, L)."""
    unit, block = model.effects.units[b], model.blocks[b]
    models, _ = model.places(b)
    if isinstance(block, BinomialBlock):
        away = values["source"][:, models, b] - block.centre
        both = level[:, :, None] + (values["line"][:, b, None] * away)[:, None, :]
        share = special.expit(both).mean(axis=(1, 2))
        return (
            unit.chance + (1.0 - unit.chance) * special.expit(eta),
            unit.chance + (1.0 - unit.chance) * share,
        )
    place = int(model.of_unit[b])
    layout = block[0].fit.layout
    out: Drawn = {"mu": eta, "alpha": level}
    for name in (*layout.global_names, *layout.local_names):
        label = {"sigma": "log_sigma"}.get(name, name)
        if name in out or f"mean_{label}" not in values:
            continue
        mean = values[f"mean_{label}"][:, place]
        local = name in layout.local_names
        out[name] = np.repeat(mean[:, None], level.shape[1], axis=1) if local else mean
    out["sigma"] = np.exp(out["sigma"])
    out.setdefault("tau", np.zeros_like(level))
    out = {name: out[name] for name in (*layout.global_names, *layout.local_names)}
    out["alpha"] = level - block[0].centre * out["beta"]
    own = source_shares(out, model.joint)
    floor = chance_level(out, unit.chance)
    grid = grid_accuracy(0.0)
    right = (own * grid).sum(axis=-1)
    pooled = np.mean(
        [
            source_shares(drawn_parameters(model, values, b, m), model.joint)
            for m in range(len(unit.models))
        ],
        axis=0,
    )
    hat = np.empty(len(eta))
    step = max(1, _BLOCK // (level.shape[1] * pooled.shape[-1]))
    for start in range(0, len(eta), step):
        here = slice(start, start + step)
        curve = target_curve({k: v[here] for k, v in out.items()}, model.joint, unit.chance)
        hat[here] = np.einsum("dlq,dq->d", curve, pooled[here]) / level.shape[1]
    return np.asarray(floor + (1.0 - floor) * right), hat


def log_likelihood(
    model: CountDensity, natural: Floats
) -> dict[str, tuple[tuple[str, ...], Floats]]:
    """Log densities given all parameters: of each item over all models, and of each accuracy."""
    states = [model.parse(row) for row in natural]
    items, cells = list[str](), list[str]()
    by_item, by_cell = list[Floats](), list[Floats]()
    for b, (unit, block) in enumerate(zip(model.effects.units, model.blocks, strict=True)):
        if isinstance(block, BinomialBlock):
            own = np.flatnonzero(model.parts[0].unit == b)
            at = model.parts[1].at.start + np.flatnonzero(model.parts[1].unit == b)
            found = [
                np.concatenate(
                    block.densities(s.cells.value[own], s.cells.value[at], float(s.slopes[b]))
                )
                for s in states
            ]
            by_cell.append(np.array(found))
            cells += [f"{name}, {unit.benchmark}, source" for name in unit.models]
            cells += [
                f"{unit.models[m]}, {unit.benchmark}, {unit.languages[place]}"
                for m, place in zip(unit.cell_model, unit.cell_language, strict=True)
            ]
            continue
        total = np.array(
            [
                np.sum(
                    [
                        one.by_item(model.coordinates(s.cells.value, take))
                        for one, take in zip(block, model.takes[b], strict=True)
                    ],
                    axis=0,
                )
                for s in states
            ]
        )
        by_item.append(total)
        items += [f"{unit.benchmark}, {place}" for place in range(total.shape[1])]
    out = {}
    if by_item:
        out["item"] = (tuple(items), np.concatenate(by_item, axis=1))
    if by_cell:
        out["cell"] = (tuple(cells), np.concatenate(by_cell, axis=1))
    return out


def measure_names(model: CountDensity) -> tuple[str, ...]:
    """Measures of count tables where items are known, and of raw accuracies where not."""
    names = TABLE_MEASURES if len(model.lines) < len(model.blocks) else ()
    return (*names, *(f"accuracies: {name}" for name in RAW_MEASURES if model.lines))


def table_draws(
    model: CountDensity, natural: Floats, values: Values, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Measures of the data seen (K,), and of new data under each draw (D, K)."""
    seen, drawn = list[Floats](), list[Floats]()
    states = [model.parse(row) for row in natural]
    for b, block in enumerate(model.blocks):
        counts = model.counts[b]
        if isinstance(block, BinomialBlock) or counts is None:
            continue
        by_model, new = [], np.empty((len(states), len(block), len(TABLE_MEASURES)))
        for m, one in enumerate(block):
            trials = counts.source_trials[m], counts.target_trials[m][:, one.asked]
            target = counts.target_correct[m][:, one.asked]
            by_model.append(table_measures(counts.source_correct[m], target, *trials))
            setting = (one.fit.layout, model.joint, counts.chance)
            for draw, state in enumerate(states):
                theta = one.theta(model.coordinates(state.cells.value, model.takes[b][m]))
                new[draw, m] = table_measures(*draw_counts(theta, setting, trials, rng), *trials)
        seen.append(mean_known(np.array(by_model), axis=0))
        drawn.append(mean_known(new, axis=1))
    found = [(np.mean(seen, axis=0), np.mean(drawn, axis=0))] if seen else []
    if model.lines:
        found.append(_accuracy_draws(model, values, rng))
    return np.concatenate([a for a, _ in found]), np.concatenate([d for _, d in found], axis=1)


def mean_known(values: Floats, axis: int) -> Floats:
    """Mean of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=axis)
    size = known.sum(axis=axis)
    mean: Floats = np.divide(total, size, out=np.full(total.shape, np.nan), where=size > 0)
    return mean


def _accuracy_draws(
    model: CountDensity, values: Values, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Raw measures of accuracies seen, and of binomial ones drawn anew."""
    shape = values["source"].shape
    new = np.full(shape, np.nan), np.full(values["transfer"].shape, np.nan)
    seen = np.full(shape[1:], np.nan), np.full(values["transfer"].shape[1:], np.nan)
    for b in model.lines:
        block = model.blocks[b]
        assert isinstance(block, BinomialBlock)
        counts, (models, languages) = block.part.counts, model.places(b)
        cell = models[block.model], b, languages[block.language]
        source = values["source"][:, models, b]
        logit = block.logits(source, values["transfer"][:, *cell], values["line"][:, b])
        at = block.model, block.language
        for side, (value, trials, accuracy, where) in enumerate(
            (
                (source, counts.source_trials, counts.source_accuracy, (models, b)),
                (logit, counts.target_trials[at], counts.target_accuracy[at], cell),
            )
        ):
            share = counts.chance + (1.0 - counts.chance) * special.expit(value)
            # Effective numbers of trials need not be whole.
            whole = np.maximum(np.rint(trials), 1).astype(int)
            new[side][:, *where] = rng.binomial(whole, share) / whole
            seen[side][where] = accuracy
    return raw_measures(seen[0][None], seen[1][None])[0], raw_measures(*new)


def observed(model: CountDensity) -> Values:
    """Maxima of the likelihoods on the logit scale, and the measures of the data seen."""
    names = model.names
    source = np.full((len(names.models), len(names.benchmarks)), np.nan)
    transfer = np.full((*source.shape, len(names.languages)), np.nan)
    errors = {"source_se": source.copy(), "transfer_se": transfer.copy()}
    for b, (unit, part) in enumerate(zip(model.effects.units, model.cells.parts, strict=True)):
        models, languages = model.places(b)
        error = np.sqrt(np.diag(part.cov))
        source[models, b], errors["source_se"][models, b] = part.source, error[: models.size]
        at = models[unit.cell_model], b, languages[unit.cell_language]
        transfer[at], errors["transfer_se"][at] = part.transfer, error[models.size :]
    nothing: Values = {"source": source[None], "transfer": transfer[None]}
    nothing["line"] = np.ones((1, len(names.benchmarks)))
    seen = table_draws(model, np.zeros((0, 1)), {k: v[:0] for k, v in nothing.items()}, _UNUSED)[0]
    return {"source_logit": source, "transfer_logit": transfer, **errors, "measures": seen}


_UNUSED = np.random.default_rng(0)

"""`HierarchicalFit`: a posterior with claims, checks and text; its way to disk and back."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hatstats.bayes.claims import claim_probabilities
from hatstats.bayes.diagnostics import fit_checks, leave_one_out, power_scaling
from hatstats.bayes.posterior import Posterior
from hatstats.errors import DataError
from hatstats.inference.intervals import percent
from hatstats.inference.labelled import indented
from hatstats.inference.result_frame import Printed, ResultFrame, html_list, html_table
from hatstats.study.outputs import whole_output

#: Format of saved fits.
SCHEMA = 5
KIND = "hatstats hierarchical fit"
_GROUPS = ("posterior", "prior", "sample_stats", "observed_data", "constant_data")


@dataclass(frozen=True, eq=False)
class HierarchicalFit(Posterior):
    """One joint posterior over models, benchmarks and languages; see `Posterior` for its fields.

    Examples
    --------
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=30, n_languages=2, n_trials=4)
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5, 1.0], shape=shape, rng=1)
    >>> few = hs.Sampling(draws=60, tune=100, chains=2)  # for an example only
    >>> fit = hs.fit_hierarchical(study, sampling=few, rng=1)
    >>> list(fit.shrinkage().columns[:4])
    ['model', 'benchmark', 'language', 'raw']
    """

    def shrinkage(self) -> pd.DataFrame:
        """How far each cell was pulled from its own estimate to what the effects predict.

        Returns
        -------
        DataFrame
            `model, benchmark, language, raw, raw_se, estimate, std_error, predicted, pull`, on the
            scale of transfer logits; `pull` is the share of the way from `raw` to `predicted`.
        """
        values, cells = self._flat(), self.cell_model
        level = values["level"].mean(axis=0)
        tables = []
        for b, (unit, part) in enumerate(zip(cells.effects.units, cells.parts, strict=True)):
            models, languages = cells.positions(unit)
            index = models[unit.cell_model], b, languages[unit.cell_language]
            draws = values["transfer"][:, *index]
            raw = part.transfer.copy()
            if part.by_line:
                slope = float(values["line"][:, b].mean())
                raw = raw - slope * (part.source - part.centre)[unit.cell_model]
            estimate, predicted = draws.mean(axis=0), level[index]
            distance = predicted - raw
            distance[np.abs(distance) <= 1e-6] = np.nan
            tables.append(
                ResultFrame(
                    {
                        "model": [unit.models[m] for m in unit.cell_model],
                        "benchmark": unit.benchmark,
                        "language": [unit.languages[n] for n in unit.cell_language],
                        "raw": raw,
                        "raw_se": np.sqrt(np.diag(part.cov))[models.size :],
                        "estimate": estimate,
                        "std_error": draws.std(axis=0, ddof=1),
                        "predicted": predicted,
                        "pull": (estimate - raw) / distance,
                    }
                )
            )
        return pd.concat(tables, ignore_index=True)

    def claims(
        self,
        claims: Sequence[Mapping[str, Any]] | None = None,
        *,
        rope: tuple[float, float] = (-0.01, 0.01),
    ) -> pd.DataFrame:
        """Registered claims as probabilities; see `claim_probabilities`."""
        return claim_probabilities(self, self.study.claims if claims is None else claims, rope)

    def checks(self) -> pd.DataFrame:
        """Diagnostics as values that can fail; see `hatstats.bayes.diagnostics`."""
        return fit_checks(self)

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return bool(self.checks()["passed"].all())

    def loo(self) -> Any:
        """PSIS-LOO of ArviZ, by cell; see `hatstats.bayes.diagnostics`."""
        return leave_one_out(self)

    def prior_sensitivity(self) -> pd.DataFrame:
        """Power-scaling sensitivity of each HAT score and trend term."""
        return power_scaling(self)

    def save(self, path: str | Path) -> Path:
        """Save `idata` as NetCDF; an interrupted run leaves an earlier file whole.

        Raises DataError if the path holds anything but a posterior that hatstats saved.
        """
        out = Path(path)
        with whole_output(out, posterior_written, name="the posterior", folder=False) as new:
            # By way of memory: on a full disk HDF5 fails with texts and kinds of errors of its own.
            memory = io.BytesIO()
            self.idata.to_netcdf(memory, engine="h5netcdf")
            new.write_bytes(memory.getvalue())
        return out

    def summary(self, conf_level: float = 0.95) -> str:
        """Scores, trends and checks in plain text of at most 80 columns.

        Scores have fewer decimals, and a line says why, where draws are too few for three.
        """
        lines = [self.hat().summary(conf_level)]
        shown = self.tidy(conf_level)
        lines.append(f"  {'term (logits)':<42}{'mean':>8}{'sd':>8}  {percent(conf_level)} interval")
        numbers = shown[["estimate", "std_error", "conf_low", "conf_high"]].to_numpy(dtype=float)
        for name, (value, sd, low, high) in zip(shown["term"], numbers, strict=True):
            label = name if len(name) <= 42 else f"{name[:41]}…"
            lines.append(f"  {label:<42}{value:>8.3f}{sd:>8.3f}  [{low:.3f}, {high:.3f}]")
        return "\n".join([*lines, *(line for note in self._notes() for line in indented(note))])

    def _notes(self) -> list[str]:
        """The seed, and which checks failed."""
        seed = [] if self.seed is None else [f"Drawn with seed {self.seed}."]
        failed = self.checks().query("not passed")
        words = [f"FAILED {row.check}: {row.words}" for row in failed.itertuples()]
        return seed + (words or ["All checks of the sampler and of the model passed."])

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self.hat()._repr_html_() + html_table(self.tidy(), self._notes())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ClaimFits(Printed):
    """One posterior for each formula that the claims name.

    Examples
    --------
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=30, n_languages=2, n_trials=4)
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5, 1.0], shape=shape, rng=1)
    >>> few = hs.Sampling(draws=60, tune=100, chains=2)  # for an example only
    >>> hs.fit_claims(study, sampling=few, rng=1).main.method
    'Bayes, cells by latent'
    """

    # by formula; the empty one is a fit without a trend, made where no claim can be fitted
    fits: dict[str, HierarchicalFit]
    # see `claim_probabilities`; a claim whose trend is not identified has NaN and the reason
    claims: pd.DataFrame
    seed: int | None = None  # gives the same fits again; None where a generator was given

    @property
    def main(self) -> HierarchicalFit:
        """The fit with the most trend terms."""
        return max(self.fits.values(), key=lambda fit: len(fit.design.terms))

    def checks(self) -> pd.DataFrame:
        """Checks of every fit, with the formula as `trend`."""
        tables = {formula: fit.checks() for formula, fit in self.fits.items()}
        return pd.concat(tables, names=["trend"]).reset_index("trend").reset_index(drop=True)

    def summary(self) -> str:
        """Claims, scores of the main fit, and failed checks of every fit, as text."""
        claims = [repr(self.claims), ""] if len(self.claims) else []
        lines = [line for note in self._failed() for line in indented(note)]
        return "\n".join([*claims, self.main.hat().summary(), *lines])

    def _failed(self) -> list[str]:
        """The checks that failed, in words."""
        failed = self.checks().query("not passed").to_dict("records")
        return [f"{row['trend'] or 'no trend'}: FAILED {row['words']}" for row in failed]

    def _repr_html_(self) -> str:
        claims = html_table(self.claims) if len(self.claims) else ""
        return f"{claims}{self.main.hat()._repr_html_()}{html_list(self._failed())}"


def posterior_written(path: Path) -> Collection[str] | None:
    """Names of what is in a saved posterior; None for a path that holds none."""
    try:
        import h5netcdf

        with h5netcdf.File(path, "r") as file:
            return ("",) if file.attrs.get("kind") == KIND else None
    except (ImportError, OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def read_tree(path: str | Path) -> Any:
    """Read a tree back; no pickle is involved.

    Raises DataError if the file does not exist, cannot be read, or is not a fit of hatstats.
    """
    import xarray as xr

    source = Path(path)
    if not (source.is_file() or source.is_dir()):  # a pipe would be waited for
        raise DataError("no such file", file=source.name, hint="check the path.")
    try:
        with xr.open_datatree(source, engine="h5netcdf") as opened:
            tree = opened.load()
    except Exception as error:
        # Libraries raise many kinds of errors for bytes that they cannot read.
        raise DataError(
            f"the saved posterior cannot be read ({type(error).__name__}: "
            f"{(str(error).splitlines() or ['no reason given'])[0][:160]})",
            file=source.name,
            hint="fit again and save anew.",
        ) from error
    if tree.attrs.get("kind") != KIND or any(group not in tree.children for group in _GROUPS):
        raise DataError(
            "this is not a saved fit of hatstats",
            file=source.name,
            hint="read it with arviz, or give a path that HierarchicalFit.save wrote.",
        )
    if (version := tree.attrs.get("schema")) != SCHEMA:
        raise DataError(
            "the saved fit is of another version of the format",
            file=source.name,
            value=version,
            hint=f"this version reads {SCHEMA}: fit again.",
        )
    return tree

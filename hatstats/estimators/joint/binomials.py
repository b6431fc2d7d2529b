"""Probability of k right answers in n trials, given an item's logit."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrialTerms:
    """Log-probabilities of count rows (K) at logits (..., M), and their derivatives.

    Attributes
    ----------
    log_pmf : ndarray, shape (..., K, M)
    by_logit, bend : ndarray, shape (..., K, M), or None
        First and second derivative with respect to the logit, if wanted.
    by_chance, by_spread : ndarray, shape (..., K, M), or None
        Derivatives with respect to the chance level c and the overdispersion omega, if wanted.
    """

    log_pmf: Floats
    by_logit: Floats | None
    bend: Floats | None
    by_chance: Floats | None
    by_spread: Floats | None


@dataclass(frozen=True, slots=True)
class CountRows:
    """Pairs (k, n) whose probability is asked for.

    Attributes
    ----------
    correct, trials : ndarray, shape (K,)
    log_choose : ndarray, shape (K,)
        Logarithm of the binomial coefficient.
    """

    correct: Floats
    trials: Floats
    log_choose: Floats = field(init=False)
    _signs: tuple[Floats, Floats] = field(init=False)

    def __post_init__(self) -> None:
        k, n = self.correct, self.trials
        choose = special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
        object.__setattr__(self, "log_choose", np.asarray(choose))
        signs = np.column_stack([k, n - k]), np.column_stack([k, k - n])
        object.__setattr__(self, "_signs", signs)

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.correct.size)

    def binomial(
        self, logit: Floats, chance: float, *, by_chance: bool, order: int = 1
    ) -> TrialTerms:
        """``k ~ Bin(n, c + (1 - c) expit(logit))``.

        Parameters
        ----------
        logit : ndarray, shape (..., M)
        chance : float
            c, in [0, 1).
        by_chance : bool
            Whether the derivative with respect to c is wanted.
        order : int
            Order of the derivatives with respect to the logit: 0 for none, 1 or 2.

        Returns
        -------
        TrialTerms
        """
        parts = np.empty((*logit.shape[:-1], 2, logit.shape[-1]))
        # One exponential serves for p, 1 - p and their logarithms, at either end.
        small = np.exp(-np.abs(logit))
        parts[..., 1, :] = -np.log1p(small) - np.maximum(logit, 0.0)
        over, under = 1.0 / (1.0 + small), small / (1.0 + small)
        positive = logit >= 0.0
        right, wrong = np.where(positive, over, under), np.where(positive, under, over)
        certain, share = chance == 0.0 and not by_chance, right
        if certain:
            np.add(parts[..., 1, :], logit, out=parts[..., 0, :])
        else:
            share = chance + (1.0 - chance) * right
            parts[..., 0, :] = np.log(share)
            parts[..., 1, :] += np.log1p(-chance)
        log_pmf = self._signs[0] @ parts
        log_pmf += self.log_choose[:, None]
        by_logit = curved = None
        if order:
            slopes = np.empty_like(parts)
            slopes[..., 1, :] = right
            if certain:
                # d log p / d logit is 1 - p, and d log(1 - p) / d logit is -p.
                slopes[..., 0, :] = wrong
            else:
                slopes[..., 0, :] = (1.0 - chance) * right * wrong / share
            by_logit = self._signs[1] @ slopes
            if order > 1:
                bends = np.empty_like(parts)
                bends[..., 1, :] = -right * wrong
                bends[..., 0, :] = slopes[..., 0, :] * (1.0 - 2.0 * right - slopes[..., 0, :])
                curved = self._signs[0] @ bends
        moved = None
        if by_chance:
            lift = wrong[..., None, :] / share[..., None, :]
            missed = (self.trials - self.correct) / (1.0 - chance)
            moved = self.correct[:, None] * lift - missed[:, None]
        return TrialTerms(log_pmf, by_logit, curved, moved, None)

    def beta_binomial(
        self, logit: Floats, chance: float, omega: float, *, order: int = 1
    ) -> TrialTerms:
        """Trials of one item vary: ``k ~ BetaBin(n, p / omega, (1 - p) / omega)``.

        Written as ``C(n, k) prod_{r<k} (p + r omega) prod_{r<n-k} (1 - p + r omega) /
        prod_{r<n} (1 + r omega)``, which holds at omega = 0, where it is binomial (Griffiths
        1973, Biometrics 29:637-648).

        Parameters
        ----------
        logit : ndarray, shape (..., M)
        chance : float
        omega : float
            Overdispersion, at least 0; ``omega / (1 + omega)`` is the correlation of two
            trials of one item.
        order : int
            Order of the derivatives with respect to the logit: 0 for none, 1 or 2.

        Returns
        -------
        TrialTerms
        """
        right, wrong = special.expit(logit), special.expit(-logit)
        share, rest = chance + (1.0 - chance) * right, (1.0 - chance) * wrong
        r = np.arange(int(self.trials.max()), dtype=np.float64) * omega
        k = self.correct.astype(np.intp)
        n = self.trials.astype(np.intp)
        steps = np.arange(r.size, dtype=np.float64)
        up, down = _products(share, r, steps), _products(rest, r, steps)
        total = _products(np.ones(1), r, steps)

        def over(table: Floats, rows: NDArray[np.intp]) -> Floats:
            return np.asarray(np.moveaxis(table[..., rows], -1, -2))

        log_pmf = over(up[0], k) + over(down[0], n - k) - over(total[0], n)
        log_pmf += self.log_choose[:, None]
        if not order:
            return TrialTerms(log_pmf, None, None, None, None)
        by_share = over(up[1], k) - over(down[1], n - k)
        by_omega = over(up[2], k) + over(down[2], n - k) - over(total[2], n)
        lift = (right * rest)[..., None, :]
        curved = None
        if order > 1:
            curved = by_share * lift * (wrong - right)[..., None, :]
            curved -= (over(up[3], k) + over(down[3], n - k)) * lift**2
        return TrialTerms(
            log_pmf,
            by_share * lift,
            curved,
            by_share * wrong[..., None, :],
            by_omega,
        )


def _products(value: Floats, r: Floats, steps: Floats) -> list[Floats]:
    """Running sums from 0: log(value + r), 1 / (value + r), step / (value + r), 1 / (...)^2."""
    terms = value[..., None] + r
    terms = np.maximum(terms, 1e-150)
    empty = np.zeros((*value.shape, 1))
    return [
        np.concatenate([empty, np.cumsum(part, axis=-1)], axis=-1)
        for part in (np.log(terms), 1.0 / terms, steps / terms, 1.0 / terms**2)
    ]

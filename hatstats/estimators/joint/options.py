"""Which parametric model `joint` fits, and how its parameters are laid out in one vector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hatstats.errors import DataError

Floats = NDArray[np.float64]
ProfileShape = Literal["linear", "quadratic", "spline"]
Chance = Literal["fixed", "estimated"]
Hardness = Literal["auto", "own", "common"]

#: Knots, in logits of source accuracy, at which a ``spline`` profile bends.
KNOTS = (-2.0, 0.0, 2.0)
_SHAPES: dict[str, tuple[str, ...]] = {
    "linear": ("alpha", "beta"),
    "quadratic": ("alpha", "beta", "bend"),
    "spline": ("alpha", "beta", *(f"bend({knot:g})" for knot in KNOTS)),
}


@dataclass(frozen=True, slots=True)
class JointOptions:
    """Options of the parametric model; the default is the logit-normal one.

    Attributes
    ----------
    profile : {"linear", "quadratic", "spline"}
        Target logit as a function of the source logit. ``spline`` is a linear spline with
        smoothed knots: it adds ``2 log(2 cosh((eta - knot) / 2))``, a rounded absolute value,
        at each of `KNOTS`.
    shared_factor : bool
        Whether the languages of an item share a residual, besides each one's own.
    transfer_or_not : bool
        Whether an item transfers to a language with a probability, and is answered at chance
        level where it does not.
    point_masses : bool
        Whether some items are never (beyond chance) or always answered in the source; their
        target accuracy has parameters of its own.
    beta_binomial : bool
        Whether the trials of one item vary more than binomially (templates, for instance).
    chance : {"fixed", "estimated"}
        Whether the accuracy of blind guessing is the benchmark's or is estimated.
    t_df : float or None
        Degrees of freedom of Student-t abilities; None for normal ones.
    accuracy : float
        Relative accuracy of each item's integral.
    hardness : {"auto", "own", "common"}
        Whether each model has items of its own hardness and is fitted by itself, or an item's
        hardness is common to all models up to a part of each one's own and they are fitted
        together, which identifies one trial per item in one target language. ``auto`` takes
        the first where it identifies every model of a benchmark.
    """

    profile: ProfileShape = "linear"
    shared_factor: bool = False
    transfer_or_not: bool = False
    point_masses: bool = False
    beta_binomial: bool = False
    chance: Chance = "fixed"
    t_df: float | None = None
    accuracy: float = 1e-5
    hardness: Hardness = "auto"

    def __post_init__(self) -> None:
        if self.profile not in _SHAPES:
            raise DataError(
                "unknown shape of profile",
                column="profile",
                value=self.profile,
                hint=f"use {', '.join(_SHAPES)}.",
            )
        if self.chance not in ("fixed", "estimated"):
            raise DataError(
                "unknown treatment of chance",
                column="chance",
                value=self.chance,
                hint="use fixed or estimated.",
            )
        if self.hardness not in ("auto", "own", "common"):
            raise DataError(
                "unknown treatment of hardness",
                column="hardness",
                value=self.hardness,
                hint="use auto, own or common.",
            )
        if self.t_df is not None and not self.t_df >= 1.0:
            raise DataError(
                "Student-t abilities need at least one degree of freedom",
                column="t_df",
                value=self.t_df,
                hint="give 1 or more, or None for normal abilities.",
            )
        if not 1e-14 <= self.accuracy <= 1e-2:
            raise DataError(
                "the accuracy of the integrals lies between 1e-14 and 1e-2",
                column="accuracy",
                value=self.accuracy,
                hint="leave it at 1e-5.",
            )

    @property
    def label(self) -> str:
        """The options that differ from the logit-normal model, in words."""
        words = [] if self.profile == "linear" else [f"{self.profile} profile"]
        words += ["shared factor"] if self.shared_factor else []
        words += ["transfer or not"] if self.transfer_or_not else []
        words += ["point masses"] if self.point_masses else []
        words += ["beta-binomial"] if self.beta_binomial else []
        words += ["chance estimated"] if self.chance == "estimated" else []
        words += [f"t abilities ({self.t_df:g} df)"] if self.t_df is not None else []
        words += ["common hardness"] if self.hardness == "common" else []
        return ", ".join(words) or "logit-normal"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each parameter stands in the vector theta.

    Global parameters come first, then each local one for all languages.

    Attributes
    ----------
    global_names, local_names : tuple of str
    n_languages : int
    """

    global_names: tuple[str, ...]
    local_names: tuple[str, ...]
    n_languages: int
    _places: dict[str, slice] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {name: slice(at, at + 1) for at, name in enumerate(self.global_names)}
        for at, name in enumerate(self.local_names):
            first = len(self.global_names) + at * self.n_languages
            places[name] = slice(first, first + self.n_languages)
        object.__setattr__(self, "_places", places)

    @classmethod
    def of(cls, options: JointOptions, n_languages: int) -> Layout:
        """Layout of the model that `options` describe."""
        shared = ["mu", "sigma"]
        shared += ["common"] if options.hardness == "common" else []
        shared += ["rho"] if options.shared_factor else []
        shared += ["chance"] if options.chance == "estimated" else []
        shared += ["spread"] if options.beta_binomial else []
        shared += ["never", "always"] if options.point_masses else []
        own = [*_SHAPES[options.profile], "tau"]
        own += ["transfers"] if options.transfer_or_not else []
        own += ["at_never", "at_always"] if options.point_masses else []
        return cls(tuple(shared), tuple(own), n_languages)

    @property
    def size(self) -> int:
        """Length P of theta."""
        return len(self.global_names) + len(self.local_names) * self.n_languages

    def names(self, languages: tuple[str, ...]) -> list[str]:
        """Name of each element of theta, ``beta[de]`` for a local one."""
        local = [f"{name}[{language}]" for name in self.local_names for language in languages]
        return [*self.global_names, *local]

    def place(self, name: str) -> slice:
        """Where a parameter stands: one element for a global one, L for a local one."""
        return self._places[name]

    def has(self, name: str) -> bool:
        """Whether the model has this parameter."""
        return name in self.global_names or name in self.local_names

    def scalar(self, theta: Floats, name: str) -> float:
        """Value of a global parameter, 0 if the model has none of that name."""
        return float(theta[self.place(name)][0]) if name in self.global_names else 0.0

    def coefficients(self, theta: Floats) -> Floats:
        """Coefficients of the profile's basis, shape (D, L)."""
        first = len(self.global_names)
        count = self.local_names.index("tau")
        return theta[first : first + count * self.n_languages].reshape(count, self.n_languages)


def profile_basis(shape: ProfileShape, eta: Floats) -> tuple[Floats, Floats]:
    """Basis of the target logit at source logits `eta` (A,), and its slope: each (D, A)."""
    one, zero = np.ones_like(eta), np.zeros_like(eta)
    if shape == "linear":
        return np.array([one, eta]), np.array([zero, one])
    if shape == "quadratic":
        return np.array([one, eta, eta**2]), np.array([zero, one, 2.0 * eta])
    # 2 log(2 cosh(x / 2)) is |x| with a rounded tip.
    away = eta - np.array(KNOTS)[:, None]
    rounded = 2.0 * np.logaddexp(0.5 * away, -0.5 * away)
    return np.array([one, eta, *rounded]), np.array([zero, one, *np.tanh(0.5 * away)])


def profile_bends(shape: ProfileShape, eta: Floats) -> Floats:
    """Second derivative of the basis of `profile_basis`, shape (D, A)."""
    bends = np.zeros((len(_SHAPES[shape]), eta.size))
    if shape == "quadratic":
        bends[2] = 2.0
    if shape == "spline":
        bends[2:] = 0.5 * (1.0 - np.tanh(0.5 * (eta - np.array(KNOTS)[:, None])) ** 2)
    return bends

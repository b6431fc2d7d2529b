"""Which parametric model `joint` fits, and the order of its parameters in one vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.validation import one_of

Chance = Literal["fixed", "estimated"]
Hardness = Literal["auto", "own", "common"]

#: Parameters of every target language: intercept, slope and residual standard deviation.
LOCAL = ("alpha", "beta", "tau")


@dataclass(frozen=True, slots=True)
class JointOptions:
    """Options of the parametric model; the default is the logit-normal one.

    Attributes
    ----------
    shared_factor : bool
        Whether the languages of an item share a residual, besides each one's own.
    beta_binomial : bool
        Whether the trials of one item vary more than binomially (wordings, for instance).
    chance : {"fixed", "estimated"}
        Whether the accuracy of blind guessing is the benchmark's or is estimated.
    hardness : {"auto", "own", "common"}
        Whether each model has items of its own hardness and is fitted by itself, or an item's
        hardness is common to all models up to a part of each one's own and they are fitted
        together, which identifies one trial per item in one target language. ``auto`` takes
        the first where it identifies every model of a benchmark.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.JointOptions(shared_factor=True, chance="estimated").label
    'shared factor, chance estimated'
    """

    shared_factor: bool = False
    beta_binomial: bool = False
    chance: Chance = "fixed"
    hardness: Hardness = "auto"

    def __post_init__(self) -> None:
        one_of("chance", self.chance, ("fixed", "estimated"))
        one_of("hardness", self.hardness, ("auto", "own", "common"))

    @property
    def label(self) -> str:
        """The options that differ from the logit-normal model, in words."""
        words = ["shared factor"] if self.shared_factor else []
        words += ["beta-binomial"] if self.beta_binomial else []
        words += ["chance estimated"] if self.chance == "estimated" else []
        words += ["common hardness"] if self.hardness == "common" else []
        return ", ".join(words) or "logit-normal"


@dataclass(frozen=True, slots=True)
class Layout:
    """Position of each parameter in the vector theta.

    Global parameters come first, then alpha, beta and tau, each for all languages.
    """

    global_names: tuple[str, ...]
    n_languages: int

    @property
    def size(self) -> int:
        """Length P of theta."""
        return len(self.global_names) + len(LOCAL) * self.n_languages

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters, each local one once."""
        return (*self.global_names, *LOCAL)

    def has(self, name: str) -> bool:
        """Whether the model has this global parameter."""
        return name in self.global_names

    def position(self, name: str) -> slice:
        """Positions of a parameter: one for a global one, L for a local one."""
        if name in self.global_names:
            first = self.global_names.index(name)
            return slice(first, first + 1)
        first = len(self.global_names) + LOCAL.index(name) * self.n_languages
        return slice(first, first + self.n_languages)

    def positions(self, name: str) -> Ints:
        """Position of a parameter in each language, shape (L,); the same for a global one."""
        every = np.arange(self.size)[self.position(name)]
        return np.array(np.broadcast_to(every, self.n_languages))

    def scalar(self, theta: Floats, name: str) -> float:
        """Value of a global parameter, 0 if the model has none of that name."""
        return float(theta[self.global_names.index(name)]) if self.has(name) else 0.0


def parameter_layout(options: JointOptions, n_languages: int) -> Layout:
    """Layout of the model that `options` describe."""
    names = ["mu", "sigma"]
    names += ["common"] if options.hardness == "common" else []
    names += ["rho"] if options.shared_factor else []
    names += ["chance"] if options.chance == "estimated" else []
    names += ["spread"] if options.beta_binomial else []
    return Layout(tuple(names), n_languages)

"""Draws from a density: nutpie, PyMC or numpyro; chains are kept as they finish."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hatstats.bayes.settings import STATISTICS, Sampling, Told
from hatstats.bayes.target import Density
from hatstats.errors import DataError, FitError

Floats = NDArray[np.float64]
#: Draws chains for seeds: coordinates and statistics of each, in their order.
Drawer = Callable[[Sampling, list[int], Told], Iterable[dict[str, Floats]]]


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """Draws of all coordinates.

    Attributes
    ----------
    x : ndarray, shape (chains, draws, P)
        Unconstrained coordinates.
    statistics : dict of str to ndarray, each (chains, draws)
    seconds : float
        Time spent.
    reused : int
        Chains that were read from an earlier run.
    """

    x: Floats
    statistics: dict[str, Floats]
    seconds: float
    reused: int


def nutpie_chain(model: Any, how: Sampling, seed: int, **telling: Any) -> Any:
    """The tree of one chain of what nutpie has compiled."""
    import nutpie

    return nutpie.sample(
        model,
        draws=how.draws,
        tune=how.tune,
        chains=1,
        cores=1,
        seed=seed,
        save_warmup=False,
        progress_bar=False,
        target_accept=how.target_accept,
        **telling,
    )


def _one_chain(
    density: Density, how: Sampling, seed: int, told: Callable[[Any], None], stopped: Event
) -> Any:
    """One chain by nutpie: arrays by name. No compiler is involved."""
    from nutpie.compiled_pyfunc import from_pyfunc

    size = density.size
    first = density.first()

    def make_density() -> Callable[..., tuple[float, Floats]]:
        def evaluate(x: Floats, **_: object) -> tuple[float, Floats]:
            if stopped.is_set():
                raise RuntimeError("interrupted")
            with np.errstate(all="ignore"):
                try:
                    value, gradient = density.value_and_gradient(np.asarray(x))
                except np.linalg.LinAlgError:
                    value, gradient = -np.inf, np.zeros(size)
            if not (np.isfinite(value) and np.isfinite(gradient).all()):
                # A place without a density ends a trajectory; it is no error.
                return -1e300, np.zeros(size)
            return value, gradient

        return evaluate

    def make_expand(*_: object) -> Callable[..., dict[str, Floats]]:
        return lambda x, **_more: {"x": np.asarray(x, dtype=float)}

    def start(seed_of_chain: int) -> Floats:
        return first + np.random.default_rng(seed_of_chain).uniform(-0.5, 0.5, size)

    model = from_pyfunc(
        size,
        make_density,
        make_expand,
        [np.dtype("float64")],
        [(size,)],
        ["x"],
        make_initial_point_fn=start,
    )
    tree = nutpie_chain(model, how, seed, progress_callback=told, progress_rate=200)
    found = {"x": np.asarray(tree["posterior"]["x"].values[0], dtype=float)}
    for name in STATISTICS:
        found[name] = np.asarray(tree["sample_stats"][name].values[0], dtype=float)
    return found


def _write(path: Path, arrays: dict[str, Floats]) -> None:
    """Write arrays so that an interrupted run leaves no half of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    Path(name).replace(path)


def _read(path: Path) -> dict[str, Floats] | None:
    """Arrays of a chain that an earlier run finished; None if there is none."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {"x": stored["x"], **{name: stored[name] for name in stored.files}}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"a saved chain cannot be read ({error})",
            file=path.name,
            hint="delete it; its chain is then drawn again.",
        ) from error


@contextmanager
def own_random_state() -> Iterator[None]:
    """Leave Python's global random state as it was: PyTensor names its variables by it."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


class _Teller:
    """Adds up the progress of chains that run side by side."""

    def __init__(self, how: Sampling) -> None:
        self.how, self.began = how, time.monotonic()
        self.done = np.zeros(how.chains)
        self.divergences = np.zeros(how.chains, dtype=int)

    def of(self, chain: int) -> Callable[[Any], None]:
        total = self.how.draws + self.how.tune

        def told(states: Any) -> None:
            state = states[0]
            self.divergences[chain] = state.divergences
            self.tell(chain, state.finished_draws / total)

        return told

    def tell(self, chain: int, share_of_chain: float) -> None:
        """Say what is done now that this share of a chain is."""
        self.done[chain] = share_of_chain
        if self.how.progress is None:
            return
        share = float(self.done.mean())
        spent = time.monotonic() - self.began
        left = f", {spent * (1 - share) / share:.0f} s left" if 0.02 < share < 1.0 else ""
        drawn = int(self.done.sum() * (self.how.draws + self.how.tune))
        known = self.how.sampler not in ("blocked", "independence")
        divergences = f", {int(self.divergences.sum())} divergences" if known else ""
        self.how.progress(f"{drawn} draws{divergences}{left}", share)


def _pymc_drawer(density: Density) -> Drawer:
    def draw(how: Sampling, seeds: list[int], _: Told) -> list[dict[str, Floats]]:
        with own_random_state():
            from hatstats.bayes.pymc_model import sample_model

            return sample_model(density, how, seeds)

    return draw


def sample(
    density: Density,
    how: Sampling,
    seeds: list[int],
    key: str,
    draw: Drawer | None = None,
) -> Chains:
    """Draw from a density.

    Parameters
    ----------
    density : Density
    how : Sampling
    seeds : list of int
        One per chain.
    key : str
        What the data and the model are, to know chains of the same posterior again.
    draw : callable, optional
        ``draw(how, seeds, told)`` draws the chains in place of the sampler's own way.

    Returns
    -------
    Chains

    Raises
    ------
    DataError
        If a saved chain cannot be read.
    FitError
        If the sampler fails, or was interrupted; the message says which chains are kept.
    """
    began = time.monotonic()
    teller = _Teller(how)
    recipe = f"{key} {how.draws} {how.tune} {how.sampler} {how.target_accept}"
    paths: list[Path | None] = [None] * how.chains
    if how.keep is not None:
        paths = [
            Path(how.keep) / f"chain-{sha256(f'{recipe} {seed}'.encode()).hexdigest()[:16]}.npz"
            for seed in seeds
        ]
    found = [_read(path) if path is not None else None for path in paths]
    reused = sum(chain is not None for chain in found)
    todo = [place for place, chain in enumerate(found) if chain is None]
    for place, chain in enumerate(found):
        teller.done[place] = float(chain is not None)

    def finish(place: int, chain: dict[str, Floats]) -> None:
        if (path := paths[place]) is not None:
            _write(path, chain)
        teller.done[place] = 1.0
        found[place] = chain

    stopped = Event()

    def run(place: int) -> None:
        finish(place, _one_chain(density, how, seeds[place], teller.of(place), stopped))

    try:
        if how.sampler == "nutpie" and draw is None:
            # One at a time: two samplers that call into Python at once have brought it down.
            with ThreadPoolExecutor(1) as pool:
                try:
                    list(pool.map(run, todo))
                except BaseException:
                    # Chains under way end at their next step, so that the pool can be left.
                    stopped.set()
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        elif todo:
            own = [seeds[place] for place in todo]

            def told(chain: int, share: float) -> None:
                teller.tell(todo[chain], share)

            drawn = (draw or _pymc_drawer(density))(how, own, told)
            for place, chain in zip(todo, drawn, strict=True):
                finish(place, chain)
    except (RuntimeError, ValueError, FloatingPointError, KeyboardInterrupt) as error:
        if isinstance(error, FitError | DataError):
            raise
        kept = sum(chain is not None for chain in found)
        where = f" in {how.keep}; a run with the same seed goes on from them" if how.keep else ""
        why = (str(error).splitlines() or ["interrupted"])[0]
        raise FitError(
            f"the sampler {how.sampler} stopped ({why}); {kept} of "
            f"{how.chains} chains were finished and are kept{where or ' nowhere: give keep='}"
        ) from error
    chains = [chain for chain in found if chain is not None]
    return Chains(
        np.stack([chain["x"] for chain in chains]),
        {name: np.stack([c[name] for c in chains]) for name in chains[0] if name != "x"},
        time.monotonic() - began,
        reused,
    )

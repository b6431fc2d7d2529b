"""The posterior as an ArviZ DataTree with named dimensions, and its way to disk and back."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hatstats.errors import DataError

Floats = NDArray[np.float64]
#: Arrays by name, each with the names of its dimensions.
Labelled = Mapping[str, tuple[tuple[str, ...], Floats]]

SCHEMA = 1
_KIND = "hatstats hierarchical fit"
_GROUPS = ("posterior", "prior", "sample_stats", "observed_data", "constant_data")
_SAMPLED = ("posterior", "prior", "posterior_predictive", "log_likelihood", "sample_stats")


def make_tree(
    groups: Mapping[str, Labelled],
    coords: Mapping[str, list[str]],
    attrs: Mapping[str, Any],
) -> Any:
    """Build the tree.

    Parameters
    ----------
    groups : dict of dict
        Arrays of each group: those that were sampled begin with ``chain, draw``.
    coords : dict of list of str
    attrs : dict
        What made the fit; kept as JSON text.

    Returns
    -------
    DataTree
    """
    import xarray as xr

    datasets = {}
    for name, arrays in groups.items():
        used = {dim for dims, _ in arrays.values() for dim in dims}
        values = {variable: (dims, value) for variable, (dims, value) in arrays.items()}
        found: dict[str, Any] = {dim: coords[dim] for dim in used if dim in coords}
        for dim in used - set(found):
            size = next(v.shape[d.index(dim)] for d, v in arrays.values() if dim in d)
            found[dim] = np.arange(size)
        datasets[name] = xr.Dataset(values, coords=found)
        if name in _SAMPLED:
            datasets[name].attrs["sample_dims"] = ["chain", "draw"]
    tree = xr.DataTree.from_dict(datasets)
    tree.attrs["kind"] = _KIND
    tree.attrs["schema"] = SCHEMA
    tree.attrs["made_by"] = json.dumps(dict(attrs), sort_keys=True)
    return tree


def made_by(tree: Any) -> dict[str, Any]:
    """What made a fit, from its tree."""
    return dict(json.loads(tree.attrs["made_by"]))


def write_tree(tree: Any, path: str | Path) -> Path:
    """Write a tree: NetCDF for names that end in ``.nc``, else a Zarr store.

    The store is written beside its place and moved there, so that an interrupted run leaves an
    earlier one whole.

    Raises
    ------
    DataError
        If NetCDF is wanted and no library for it is installed.
    """
    out = Path(path)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        fresh = work / out.name
        if out.suffix == ".nc":
            try:
                tree.to_netcdf(fresh)
            except (ImportError, ValueError, ModuleNotFoundError) as error:
                raise DataError(
                    f"NetCDF cannot be written here ({str(error).splitlines()[0]})",
                    file=out.name,
                    hint="install h5netcdf, or choose a name that ends in .zarr.",
                ) from error
        else:
            tree.to_zarr(fresh, mode="w", consolidated=False, zarr_format=3)
        if out.is_dir():
            shutil.rmtree(out)
        fresh.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def read_tree(path: str | Path) -> Any:
    """Read a tree back; no pickle is involved.

    Raises
    ------
    DataError
        If the file is not there, cannot be read, or is not a fit of hatstats.
    """
    import xarray as xr

    source = Path(path)
    if not source.exists():
        raise DataError("no such file", file=source.name, hint="check the path.")
    try:
        if source.suffix == ".nc":
            tree = xr.open_datatree(source).load()
        else:
            tree = xr.open_datatree(source, engine="zarr", consolidated=False).load()
    except Exception as error:
        # Whatever a library says of bytes that it cannot read, the user is told which file.
        raise DataError(
            f"the saved posterior cannot be read ({type(error).__name__}: "
            f"{(str(error).splitlines() or ['no reason given'])[0][:160]})",
            file=source.name,
            hint="fit again and save anew.",
        ) from error
    if tree.attrs.get("kind") != _KIND or any(group not in tree.children for group in _GROUPS):
        raise DataError(
            "this is no saved fit of hatstats",
            file=source.name,
            hint="read it with arviz, or give a path that HierarchicalFit.save wrote.",
        )
    if int(tree.attrs["schema"]) != SCHEMA:
        raise DataError(
            "the saved fit is of another version of the format",
            file=source.name,
            value=int(tree.attrs["schema"]),
            hint=f"this version reads {SCHEMA}: fit again.",
        )
    return tree

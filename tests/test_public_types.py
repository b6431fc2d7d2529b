"""What a public call takes and returns is public itself, or of Python, NumPy, SciPy or pandas."""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import hatstats

#: Where types come from that a user knows or can look up.
KNOWN = {"builtins", "collections", "numpy", "pandas", "pathlib", "types", "typing", "datetime",
         "matplotlib", "scipy"}  # fmt: skip
PUBLIC = {getattr(hatstats, name) for name in hatstats.__all__}


def callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public functions, and the public methods, properties and constructors of public classes."""
    for name in hatstats.plot.__all__:
        yield f"plot.{name}", getattr(hatstats.plot, name)
    for name in hatstats.__all__:
        value = getattr(hatstats, name)
        if inspect.ismodule(value):
            continue
        if not inspect.isclass(value):
            yield name, value
            continue
        if not issubclass(value, Exception):
            yield f"{name}()", value.__init__
        for attribute in dir(value):
            if attribute.startswith("_"):
                continue
            member = inspect.getattr_static(value, attribute)
            member = member.fget if isinstance(member, property) else member
            member = getattr(member, "__func__", member)
            if inspect.isfunction(member) and member.__module__.startswith("hatstats."):
                yield f"{name}.{attribute}", member


def classes(annotation: Any) -> Iterator[type]:
    """Every class that an annotation mentions."""
    if isinstance(annotation, typing.TypeAliasType):
        annotation = annotation.__value__
    if typing.get_origin(annotation) is typing.Literal:
        return
    if inspect.isclass(annotation) and typing.get_origin(annotation) is None:
        yield annotation
    for part in typing.get_args(annotation):
        for inner in part if isinstance(part, list) else [part]:
            yield from classes(inner)


def hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations as types, with the names that a module imports for type checkers only."""
    own = inspect.unwrap(function)
    module = sys.modules[getattr(own, "__globals__", {})["__name__"]]
    names: dict[str, Any] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            block = ast.Module(node.body, type_ignores=[])
            names |= vars(module)
            exec(compile(block, module.__name__, "exec"), names)
    return typing.get_type_hints(own, localns=names)


#: What one part of the package gives to another; no user's code needs it.
INNER = {"HatScores.degrees_of_freedom", "HatScores.errors_of_cells", "LatentOptions.families",
         "TransferProfile.counts"}  # fmt: skip


def returned() -> set[type]:
    """Classes that the package makes itself: public functions or methods of others return them."""
    return {
        cls
        for name, function in callables()
        if not name.endswith("()")
        for cls in classes(hints(function).get("return"))
        if not name.startswith(f"{cls.__name__}.") and cls is not hatstats.Study
    }


MADE = {f"{cls.__name__}()" for cls in returned()}
CALLABLES = {name: call for name, call in callables() if name not in MADE | INNER}


@pytest.mark.parametrize("name", sorted({name.partition(".")[0] for name in CALLABLES}))
def test_every_type_of_a_public_call_can_be_named(name: str) -> None:
    unknown = {
        f"{call} {argument}: {cls.__module__}.{cls.__qualname__}"
        for call, function in CALLABLES.items()
        if call.partition(".")[0] == name
        for argument, annotation in hints(function).items()
        for cls in classes(annotation)
        if cls.__module__.split(".")[0] not in KNOWN and cls not in PUBLIC
    }
    assert unknown == set()


def test_methods_and_constructors_are_looked_at() -> None:
    assert len(CALLABLES) > 150
    assert {"Study.select", "Study()", "PlanSizes()", "TrendFit.df"} <= set(CALLABLES)
    assert "TrendFit()" in MADE
    assert {cls.__name__ for cls in classes(dict[str, list[hatstats.Study] | None])} == {
        "str",
        "Study",
        "NoneType",
    }

"""Every public name has an example in its docstring, which runs and prints what it says."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path

import pytest

import hatstats

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
CALLS = (Path(__file__).parents[1] / "docs" / "calls.md").read_text(encoding="utf-8")
CLASSES = {name for name in hatstats.__all__ if inspect.isclass(getattr(hatstats, name))}


def owners() -> list[str]:
    """Public names, and the public methods of public classes that have an example."""
    # The figures' own examples are run beside their tests.
    names = [name for name in hatstats.__all__ if name != "plot"]
    for cls in sorted(CLASSES):
        names += [
            f"{cls}.{name}"
            for name, member in inspect.getmembers_static(getattr(hatstats, cls))
            # Names that mutation testing adds are not ASCII.
            if not name.startswith("_")
            and name.isascii()
            and ">>>" in str(getattr(member, "__doc__", ""))
        ]
    return names


OWNERS = owners()


def documented(name: str) -> str:
    """Docstring of a public name or method."""
    first, *rest = name.split(".")
    value = getattr(hatstats, first)  # imported when it is first used
    for part in rest:
        value = inspect.getattr_static(value, part)
    return inspect.cleandoc(value.__doc__ or "")


def test_all_names_are_looked_at() -> None:
    assert set(hatstats.__all__) - {"plot"} <= set(OWNERS)
    assert len(OWNERS) > len(hatstats.__all__) > 40


def test_methods_that_the_docs_call_have_docstrings() -> None:
    called = set(re.findall(r"\.(\w+)\(", CALLS))
    found = {
        f"{cls}.{name}": member.__doc__
        for cls in CLASSES
        for name, member in vars(getattr(hatstats, cls)).items()
        if name in called and callable(getattr(hatstats, cls).__dict__[name])
    }
    assert len(found) > 10
    assert [name for name, text in found.items() if not text] == []


def is_quick(name: str) -> bool:
    """Whether an example needs little more than a small set of scores."""
    room = getattr(hatstats, name.partition(".")[0]).__module__.split(".")[1]
    return room in ("scores", "inference")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if is_quick(name) else pytest.mark.slow) for name in OWNERS],
)
def test_the_example_runs(name: str) -> None:
    text = documented(name)
    assert re.search(r"^Examples\n-{8}$", text, flags=re.MULTILINE), f"{name} has no example"
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert test.examples, f"{name}: its section Examples has no code"
    said: list[str] = []
    # Warnings are errors here as in every test.
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert result.attempted == len(test.examples)
    assert result.failed == 0, "".join(said)

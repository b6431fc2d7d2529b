"""ARCHITECTURE.md is true: its rooms, folders, floors and limits are checked in the code."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hatstats

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hatstats"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def section(title: str) -> str:
    """Text of one section of the page."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found, f"ARCHITECTURE.md has no section {title!r}"
    return found.group(1)


def rooms_of_the_page() -> dict[str, set[str]]:
    """Room -> folders inside it, in the order of the table, which is the order of the floors."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", section("Rooms"), flags=re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", inside)) for room, inside in rows}


ROOMS = rooms_of_the_page()
FLOOR = {room: floor for floor, room in enumerate(ROOMS)}
#: Modules that stand in no room: the front pages, and what ``python -m`` runs.
FRONT = {"__init__", "__main__", "plot"}
#: Estimators that are modules and not folders.
SINGLE_ESTIMATORS = {"observed"}


def dotted(path: Path) -> str:
    """Name under which a file is imported: hatstats.study.schema, hatstats.study."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(path) for path in MODULES}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file, as far as it is a module of ours."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            module = node.module or ""
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                if inner != "hatstats.__version__":
                    yield inner if inner in NAMES else module


def ours(path: Path) -> list[str]:
    return [name for name in imports(path) if name.split(".")[0] == "hatstats"]


def functions() -> list[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (path, node)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_page_names_every_room_and_every_folder() -> None:
    on_disk: dict[str, set[str]] = {}
    for path in MODULES:
        room, *inside = path.relative_to(PACKAGE).with_suffix("").parts
        if room not in FRONT:
            on_disk.setdefault(room, set()).update(inside[:-1])
    assert len(on_disk) >= 6
    named = {room: folders - SINGLE_ESTIMATORS for room, folders in ROOMS.items()}
    assert on_disk == named


def test_paths_on_the_page_exist() -> None:
    paths = re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE)
    assert len(paths) >= 5
    gone = [path for path in paths if not any((root / path).exists() for root in (ROOT, PACKAGE))]
    assert gone == []


def test_a_newcomer_reads_one_page() -> None:
    assert PAGE.count("\n") <= 80


def test_no_folder_has_more_than_15_modules_or_a_third_level() -> None:
    folders = [path.parent for path in MODULES if path.name != "__init__.py"]
    crowded = {str(f.relative_to(ROOT)): folders.count(f) for f in folders if folders.count(f) > 15}
    assert crowded == {}
    assert max(len(path.relative_to(PACKAGE).parts) for path in MODULES) <= 3


def test_no_module_bears_the_name_of_a_public_function() -> None:
    functions = {name for name in hatstats.__all__ if name.islower()} - {"plot"}
    assert {path for path in MODULES if path.stem in functions} == set()


def test_imports_only_go_down() -> None:
    checked, offences = 0, []
    for path in MODULES:
        if path.parent == PACKAGE and path.stem in FRONT:
            continue
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for name in ours(path):
            checked += 1
            parts = name.split(".")
            # The front page imports from every room, so a room that imports it looks upwards.
            if len(parts) == 1 or FLOOR[parts[1]] > FLOOR[room]:
                offences.append(f"{path.relative_to(ROOT)} imports {name}")
    assert checked > 20
    assert offences == []


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {dotted(path): set(ours(path)) - {dotted(path)} for path in MODULES}
    assert sum(map(len, graph.values())) > 20
    graphlib.TopologicalSorter(graph).prepare()


def test_sibling_estimators_do_not_import_each_other() -> None:
    siblings = {"observed", "latent", "joint", "panel", "aggregate"}
    assert siblings == ROOMS["estimators"]

    def sibling(name: str) -> str:
        """Estimator that a module is, or is a part of; empty for any other module."""
        parts = name.split(".")
        inside = parts[1:2] == ["estimators"] and len(parts) > 2
        return parts[2] if inside and parts[2] in siblings else ""

    assert {sibling(name) for name in NAMES} == {"", *siblings}
    offences = {
        (dotted(path), name)
        for path in MODULES
        for name in ours(path)
        if sibling(dotted(path)) and sibling(name) not in {"", sibling(dotted(path))}
    }
    assert offences == set()


@pytest.mark.parametrize(
    ("library", "rooms"),
    [("matplotlib", {"report"}), ("typer", {"cli"}), ("rich", {"cli"})],
)
@pytest.mark.slow
def test_a_library_of_the_upper_floors_stays_there(library: str, rooms: set[str]) -> None:
    users = {
        path.relative_to(PACKAGE).with_suffix("").parts[0]
        for path in MODULES
        for name in imports(path)
        if name.split(".")[0] == library
    }
    assert users
    assert users <= rooms


#: How a p value and a language are written, in every output alike; they compute nothing.
WRITING = {"hatstats.inference.result_frame", "hatstats.study.languages.metadata",
           "hatstats.study.model_metadata"}  # fmt: skip


def test_what_draws_or_typesets_is_given_finished_results() -> None:
    report = PACKAGE / "report"
    drawing = [path for path in MODULES if any(n.startswith("matplotlib") for n in imports(path))]
    shown = {*drawing, *(report / "tables").glob("*.py"), report / "html_page.py"}
    assert len(drawing) >= 5
    offences = {
        (dotted(path), name)
        for path in shown
        for name in imports(path)
        if name.split(".")[0] in {"formulaic", "scipy", "statsmodels"}
        or (
            name in NAMES and name.split(".")[1] not in {"errors", "report"} and name not in WRITING
        )
    }
    assert offences == set()


def test_no_module_has_more_than_400_lines() -> None:
    lines = {dotted(path): path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    assert len(lines) >= 20
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_no_function_has_more_than_8_parameters() -> None:
    def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        rest = [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
        return [each.arg for each in [*named, *rest] if each.arg not in {"self", "cls"}]

    found = [(f"{dotted(path)}.{node.name}", parameters(node)) for path, node in functions()]
    assert len(found) >= 50
    assert [(name, names) for name, names in found if len(names) > 8] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"base", "common", "core", "helpers", "misc", "tools", "util", "utils"}
    assert len(NAMES) >= 20
    words = {name: set(re.split(r"[._]", name)) for name in NAMES}
    assert {name for name in NAMES if drawers & words[name]} == set()


def test_public_names_can_be_imported_and_are_documented() -> None:
    assert len(hatstats.__all__) >= 12
    assert list(hatstats.__all__) == sorted(hatstats.__all__)
    for name in hatstats.__all__:
        value = getattr(hatstats, name)
        assert value.__doc__, f"{name} has no docstring"
        assert callable(value) or name == "plot"
        assert getattr(value, "__module__", value.__name__).startswith("hatstats.")
    assert set(hatstats.__all__) <= set(dir(hatstats))


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="hatstats attribute fit_everything"):
        hatstats.fit_everything  # noqa: B018


def test_databases_are_imported_only_when_they_are_used() -> None:
    databases = {"duckdb", "ibis", "pyarrow", "pyspark"}
    users, early = set(), set()
    for path, tree in TREES.items():
        used = {name for name in imports(path) if name.split(".")[0] in databases}
        at_once = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {alias.name for node in at_once for alias in node.names} | {
            node.module or "" for node in at_once if isinstance(node, ast.ImportFrom)
        }
        users |= {path} if used else set()
        early |= {path} if {name.split(".")[0] for name in names} & databases else set()
    assert len(users) >= 4
    assert early == set()


def test_import_hatstats_is_light() -> None:
    code = "import sys, hatstats; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "hatstats.errors" in loaded
    heavy = {"arviz", "duckdb", "ibis", "matplotlib", "nutpie", "pandas", "pymc", "statsmodels"}
    assert loaded & heavy == set()

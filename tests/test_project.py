"""What strangers see first is true: commands, code and numbers of the README, lock, citation."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import hatstats
from hatstats.cli import app
from tests.report.runs import real_analysis

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
START = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
#: Pages that name calls and commands.
PAGES = "\n".join(
    [README, START, *(Path(ROOT / "docs" / f"{n}.md").read_text("utf-8") for n in ("calls", "hat"))]
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def blocks(language: str, page: str = README) -> list[str]:
    """Fenced code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9][\w.-]*", requirement)
    assert found, requirement
    return normalised(found.group())


def project_files() -> list[Path]:
    """Text files of the project, leaving out what .gitignore leaves out."""
    ignored = {
        line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    } | {".git"}
    assert {".venv", "results", "__pycache__"} <= ignored
    kinds = {"", ".cff", ".csv", ".j2", ".json", ".lock", ".md", ".py", ".R", ".tex", ".toml"}
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and path.suffix in kinds
        and not ignored & set(path.relative_to(ROOT).parts)
    ]


def test_every_make_target_of_the_readme_exists() -> None:
    commands = [*blocks("sh"), *re.findall("`[^`\n]+`", README)]
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(commands)))
    assert {"report", "test"} <= named
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))
    assert named <= targets


def test_the_first_printed_result_stands_by_line_25() -> None:
    lines = README.splitlines()
    start = lines.index("```text") + 1
    assert start < 25
    assert re.search(r"\.\d\d", lines[start] + lines[start + 1])


@pytest.mark.filterwarnings("ignore:.*Apertus:hatstats.errors.DegenerateDataWarning")
@pytest.mark.slow
def test_the_first_printed_result_is_what_the_main_job_prints() -> None:
    """The README's numbers are the job's, not typed in: `make report` prints the lines to paste."""
    assert blocks("text")
    lines = real_analysis("gsm_symbolic").key_results
    assert blocks("text")[0].splitlines() == list(lines)


@pytest.mark.parametrize("page", [README, START], ids=["README.md", "start.md"])
def test_python_of_the_pages_runs(
    page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert blocks("python", page)
    names: dict[str, object] = {}
    for block in blocks("python", page):
        exec(compile(block, "page", "exec"), names)
    assert capsys.readouterr().out.strip()


def test_every_call_and_verb_of_the_pages_exists() -> None:
    owners: dict[str, object] = {
        "": hatstats,
        "hs": hatstats,
        "profile": hatstats.TransferProfile,
        "scores": hatstats.HatScores,
        "HatScores": hatstats.HatScores,
        "Study": hatstats.Study,
        "study": hatstats.Study,
        "trend": hatstats.TrendFit,
        "by_language": hatstats.LanguageTrend,
        "fit": hatstats.HierarchicalFit,
    }
    calls = re.findall(r"`(?:(\w+)\.)?(\w+)\(", PAGES)
    assert len(calls) >= 12
    assert [(owner, name) for owner, name in calls if not hasattr(owners[owner], name)] == []
    verbs = set(re.findall(r"\bhatstats ([a-z]+) (?:[A-Z]|mine)", PAGES))
    assert "report" in verbs
    assert verbs <= {command.name for command in app.registered_commands}


def test_every_study_of_the_project_stands_in_the_readme_with_its_licence() -> None:
    studies = sorted((ROOT / "data").glob("*/study.toml"))
    assert len(studies) >= 4
    for study in studies:
        row = re.search(rf"^\| `data/{study.parent.name}` \|.*\|$", README, flags=re.MULTILINE)
        assert row, study.parent.name
        licence = tomllib.loads(study.read_text(encoding="utf-8"))["licence"]
        assert licence.split(" (")[0] in row.group(), study.parent.name


def test_gate_runs_the_test_command_of_the_readme() -> None:
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    made = [line for line in gate if line.startswith("make ")]
    assert made == ["make test", "make test-slow", "make lint", "make docs"]
    assert "make test" in "\n".join(blocks("sh"))


def test_no_registry_address_and_no_path_of_one_machine() -> None:
    files = project_files()
    assert {"Makefile", "README.md", "requirements.lock"} <= {path.name for path in files}
    # Bracketed letters keep this file from finding itself.
    registry = r"p[y]pi\.o[r]g|p[y]thonhosted|r[e]gistry\.npmjs|deb\.d[e]bian\.o[r]g"
    machine = r"(?:^|[^A-Za-z0-9_.])/(?:w[o]rk|t[m]p|r[o]ot|h[o]me|U[s]ers)/"
    pattern = re.compile(f"{registry}|{machine}", flags=re.MULTILINE)
    offences = {
        str(path.relative_to(ROOT)): found.group()
        for path in files
        if (found := pattern.search(path.read_text(encoding="utf-8")))
    }
    assert offences == {}


def test_lock_has_a_hash_for_every_requirement_and_no_address() -> None:
    entries = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", LOCK, flags=re.MULTILINE | re.DOTALL)
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[a-z0-9][\w.-]*==\S+ ", entry), entry.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry.splitlines()[0]
    assert not re.search(r"https?:|file:|^--|find-links|index-url| @ ", LOCK, flags=re.MULTILINE)


def test_lock_has_every_requirement_of_the_project() -> None:
    project = PROJECT["project"]
    wanted = {
        requirement_name(requirement)
        for requirement in [
            *project["dependencies"],
            *(each for extra in project["optional-dependencies"].values() for each in extra),
            *PROJECT["dependency-groups"]["build"],
            *PROJECT["build-system"]["requires"],
        ]
    }
    locked = {normalised(name) for name in re.findall(r"^([a-z0-9][\w.-]*)==", LOCK, re.MULTILINE)}
    assert len(wanted) > 20
    assert wanted - locked == {"hatstats"}  # an extra may name others: hatstats[logs]


#: Distribution of a module whose name differs.
DISTRIBUTIONS = {"ibis": "ibis-framework", "arviz_stats": "arviz-stats", "yaml": "pyyaml"}


def third_party(folder: str) -> set[str]:
    """Distributions that the Python files of a folder import, wherever in the file."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            found |= {name.split(".")[0] for name in names}
    known = {*sys.stdlib_module_names, "hatstats", "tests", "analyses", "bench", "data"}
    return {normalised(DISTRIBUTIONS.get(name, name)) for name in found - known}


def test_every_import_of_the_package_is_declared_and_every_requirement_used() -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["logs"], *extras["spark"]]
    declared = {requirement_name(each) for each in wanted} - {"hatstats"}
    imported = third_party("hatstats")
    assert len(imported) > 15
    # pandas and xarray call these two by name; PySpark comes through Ibis.
    by_name = {"h5netcdf", "h5py"}
    assert imported - declared - {"pyspark"} == set()
    assert declared - imported - by_name - {"duckdb"} == set()


def test_extras_are_those_that_the_readme_may_name() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras) == {"all", "docs", "logs", "spark", "test"}
    named = set(re.findall(r"hatstats\[(\w+)\]", README))
    assert named <= set(extras)


def test_interpreter_and_command_are_what_the_project_file_says() -> None:
    preferred = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert PROJECT["project"]["requires-python"] == ">=3.12"
    assert f"Programming Language :: Python :: {preferred}" in PROJECT["project"]["classifiers"]
    module, function = PROJECT["project"]["scripts"]["hatstats"].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_types_are_shipped_and_the_licence_is_one() -> None:
    assert (ROOT / "hatstats" / "py.typed").is_file()
    assert PROJECT["project"]["license"] == "BSD-3-Clause AND CC-BY-4.0 AND MIT"
    assert PROJECT["project"]["license-files"] == ["LICENSE", "NOTICE"]
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert "known_models.csv" in notice
    assert "hatstats/study/demo" in notice
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("BSD 3-Clause License\n\nCopyright (c) 2026, the hatstats authors\n")


def test_citation_names_the_software_and_prefers_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["version"] == hatstats.__version__
    assert " AND ".join(citation["license"]) == PROJECT["project"]["license"]
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == [
        "Bajpai",
        "Briakou",
        "Cherry",
        "Jyothi",
        "Piratla",
    ]
    assert paper["identifiers"][0]["value"] == "arXiv:2606.21954"
    assert str(paper["date-published"]) == "2026-06-20"


def test_every_entry_of_the_changelog_says_which_numbers_changed() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entries = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    assert entries
    assert entries[0].startswith(f"[{hatstats.__version__}]")
    for entry in entries:
        said = re.search(r"^### Numbers changed\n+(- \S.*)", entry, flags=re.MULTILINE)
        assert said, entry.splitlines()[0]

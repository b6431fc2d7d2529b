"""Without PyMC, numba, DuckDB, Arrow and their kin all else runs, and says what to install."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from hatstats.errors import MissingPackageError, explained_imports
from tests.report.studies import aggregate_study, item_study

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
#: Import names that the statistics on CSV studies must do without.
MISSING = (
    "arviz", "arviz_base", "arviz_plots", "arviz_stats", "duckdb", "h5netcdf", "h5py", "ibis",
    "llvmlite", "numba", "nutpie", "pyarrow", "pymc", "pyspark", "pytensor", "xarray",
)  # fmt: skip
#: What such an environment does hold, beside what these require themselves.
SLIM = (
    "formulaic", "jinja2", "joblib", "langcodes", "lazy-loader", "markupsafe", "matplotlib",
    "narwhals", "numpy", "pandas", "rich", "scipy", "statsmodels", "threadpoolctl", "typer",
)  # fmt: skip
#: Makes an import of a missing package fail as if it were not installed.
BLOCK = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""
RUN = "from hatstats.cli import main; main()"
#: Several commands, one a line of the first argument, in one process.
RUN_ALL = """
import json, sys
from hatstats.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
    print("done:", *arguments)
"""


def run(
    code: str, *arguments: str, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [python, "-W", "ignore", "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A study of accuracies and one of items, as CSV folders."""
    root = tmp_path_factory.mktemp("studies")
    for name, study in (("accuracies", aggregate_study()), ("items", item_study())):
        study.write(root / name)
    wide = "model,en,de,sw,n_trials\na,0.80,0.70,0.40,500\nb,0.75,0.66,0.35,500\nc,.6,.55,.3,500\n"
    (root / "wide.csv").write_text(wide, encoding="utf-8")
    return {name: str(root / name) for name in ("accuracies", "items", "wide.csv")}


def jobs(folders: dict[str, str], out: Path) -> list[tuple[str, ...]]:
    """The commands that a slim environment must run."""
    return [
        ("score", folders["items"], "--method", "observed"),
        ("score", folders["accuracies"]),
        ("score", folders["wide.csv"], "--source", "en"),
        ("trend", folders["accuracies"]),
        ("claims", folders["accuracies"]),
        ("report", folders["accuracies"], "--quick", "--out", str(out / "run")),
    ]


def run_all(code: str, folders: dict[str, str], out: Path, python: str = sys.executable) -> None:
    """Run all the commands after some code."""
    commands = jobs(folders, out)
    done = run(code + RUN_ALL, json.dumps(commands), python=python)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    for arguments in commands:
        shown, ended, text = text.partition(f"done: {' '.join(arguments)}\n")
        assert ended, arguments
        assert shown, arguments


def test_csv_studies_need_none_of_them(folders: dict[str, str], tmp_path: Path) -> None:
    run_all(BLOCK, folders, tmp_path)
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        (("bayes",), "in the clone of hatstats, pip install ."),
        (
            ("report", "--quick", "--bayes", "--out", "{out}"),
            "in the clone of hatstats, pip install .",
        ),
        (("convert", "--out", "{out}"), 'in the clone of hatstats, pip install ".[logs]"'),
    ],
)
def test_what_needs_one_says_which_and_how_to_install_it(
    verb: tuple[str, ...], line: str, folders: dict[str, str], tmp_path: Path
) -> None:
    study = folders["accuracies"]
    source = f"{study}/counts.csv" if verb[0] == "convert" else study
    options = [text.format(out=tmp_path / "out") for text in verb[1:]]
    done = run(BLOCK + RUN, verb[0], source, *options)
    assert done.returncode == 1
    (message,) = [text for text in done.stderr.splitlines() if text.startswith("Error")]
    assert message.endswith(line)
    assert "is not installed" in message
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_from_python_it_is_an_import_error_of_ours(folders: dict[str, str]) -> None:
    code = (
        "import hatstats as hs\n"
        "try:\n    hs.fit_hierarchical\n"
        "except hs.MissingPackageError as error:\n    print(error)\n"
        f"print(hs.fit_profile(hs.read_study({folders['accuracies']!r})).hat().nobs)\n"
    )
    done = run(BLOCK + code)
    assert done.returncode == 0, done.stderr
    sentence, models = done.stdout.splitlines()
    assert re.fullmatch(r"\w+ is needed for .*: in the clone of hatstats, pip install \.", sentence)
    assert models == "9"


def test_only_packages_that_may_be_missing_are_explained() -> None:
    with pytest.raises(ModuleNotFoundError) as raw, explained_imports():
        import no_such_package_at_all  # type: ignore[import-not-found]  # noqa: F401
    assert not isinstance(raw.value, MissingPackageError)
    with pytest.raises(MissingPackageError, match=r'"\.\[spark\]"'), explained_imports():
        raise ModuleNotFoundError("No module named 'pyspark.sql'", name="pyspark.sql")


def closure(names: tuple[str, ...]) -> set[str]:
    """Packages with all that they require, as installed in this environment."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [re.split(r"[^\w.-]", each)[0] for each in requires if "extra ==" not in each]
    return found


@pytest.mark.slow
def test_a_fresh_environment_without_them(folders: dict[str, str], tmp_path: Path) -> None:
    """The locked versions of the slim packages alone, installed from the registry."""
    wanted = closure(SLIM)
    assert wanted.isdisjoint({"pymc", "numba", "pyarrow", "duckdb"})
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", lock, flags=re.MULTILINE | re.DOTALL)
    chosen = [entry for entry in entries if re.split(r"[=\[ ]", entry)[0] in wanted]
    assert len(chosen) == len(wanted)
    (tmp_path / "slim.lock").write_text("".join(chosen), encoding="utf-8")
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    install.append("--require-hashes")
    done = subprocess.run(
        [*install, "--requirement", str(tmp_path / "slim.lock")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"this test needs the package registry:\n{done.stderr}"
    run_all("", folders, tmp_path, python)
    assert run("import pymc", python=python).returncode != 0

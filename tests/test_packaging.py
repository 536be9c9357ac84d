"""What is handed out: the wheel and the source archive, and that the wheel is all one needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
# Never part of the project: what tools and runs leave in its folder.
LEFT_BEHIND = (".*", "study", "build", "dist", "*.egg-info", "__pycache__")
TOP = {
    *("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile"),
    *("README.md", "benchmarks", "conftest.py", "constraints.txt", "docs", "examples"),
    *("pyproject.toml", "src", "tests"),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def call(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command prints, in an environment without this one's Python paths."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=kept | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with documentation that was built in it."""
    folder = tmp_path_factory.mktemp("tree") / "chaotrain"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_BEHIND, "_build"))
    (folder / "docs" / "_build").mkdir()
    (folder / "docs" / "_build" / "index.html").write_text("built")
    return folder


@pytest.fixture(scope="module")
def built(tree: Path) -> Path:
    """The source archive of the tree, and the wheel made from that archive."""
    for package in ("build", "setuptools", "twine"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    out = tree.parent / "dist"
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=tree)
    return out


def wheel(folder: Path) -> Path:
    (path,) = folder.glob("*.whl")
    return path


def contents(path: Path) -> dict[str, int]:
    """The files of a wheel with their checksums."""
    with zipfile.ZipFile(path) as archive:
        return {info.filename: info.CRC for info in archive.infolist()}


def test_the_version_is_semantic_and_the_same_everywhere() -> None:
    version = PROJECT["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    releases = re.findall(r"^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$", changes, re.MULTILINE)
    assert releases[0][0] == version
    assert all(date != "unreleased" for _, date in releases[1:])
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == version


@pytest.mark.slow
def test_twine_has_nothing_to_say(built: Path, tree: Path) -> None:
    names = sorted(path.name for path in built.iterdir())
    stem = f"chaotrain-{PROJECT['version']}"
    assert names == [f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"]
    said = call(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), cwd=tree)
    assert said.count("PASSED") == 2


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(built: Path, tree: Path) -> None:
    source = tree / "src"
    package = source / "chaotrain"
    files = {path.relative_to(source).as_posix() for path in package.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    found = {name for name in contents(wheel(built)) if ".dist-info/" not in name}
    assert found == files
    for part in ("py.typed", "data/mnist/LICENSE.md", "presets/atlas.toml", "templates/report.js"):
        assert f"chaotrain/{part}" in found


@pytest.mark.slow
def test_the_source_archive_is_the_project(built: Path, tree: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = (member.name.partition("/")[2] for member in archive if member.isfile())
        found = {name for name in members if ".egg-info/" not in name}
    found -= {"PKG-INFO", "setup.cfg"}
    parts = (path for top in TOP for path in [tree / top, *(tree / top).rglob("*")])
    files = {path.relative_to(tree).as_posix() for path in parts if path.is_file()}
    left = {name for name in files if re.search(r"\.egg-info/|__pycache__/|/_build/", name)}
    assert "docs/_build/index.html" in left
    assert found == files - left


@pytest.mark.slow
def test_the_tree_and_its_archive_make_the_same_wheel(built: Path, tree: Path) -> None:
    out = tree.parent / "direct"
    call(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, cwd=tree)
    assert contents(wheel(out)) == contents(wheel(built))


@pytest.mark.slow
def test_the_installed_wheel_runs_the_quick_preset(built: Path, tmp_path: Path) -> None:
    home = tmp_path / "empty"
    venv.create(home, with_pip=True)
    python, chaotrain = home / "bin" / "python", home / "bin" / "chaotrain"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet")
    call(*pip, "install", "--constraint", ROOT / "constraints.txt", wheel(built), cwd=tmp_path)
    assert call(*pip, "check", cwd=tmp_path) == ""
    assert "run" in call(chaotrain, "--help", cwd=tmp_path)
    said = call(chaotrain, "run", "mnist-quick", "--out", "study", cwd=tmp_path)
    assert said.splitlines()[-1] == "study/report.html"
    assert (tmp_path / "study" / "figures" / "figure-5.png").exists()
    summary = json.loads(call(chaotrain, "summary", "study", "--json", cwd=tmp_path))
    assert summary["variables"]["ran"]["values"] == [4] * 10
    where = "import chaotrain; print(chaotrain.__version__, chaotrain.__file__)"
    version, file = call(python, "-c", where, cwd=tmp_path).split()
    assert (version, Path(file).is_relative_to(home)) == (PROJECT["version"], True)

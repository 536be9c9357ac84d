"""The job scripts of examples/: linted, quoted by the guides, and run to the end and to a stop."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny
from chaotrain import compiled, experiment, runs

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = {"slurm.sh": "slurm.md"}

# So little memory that a ball is a tile: ten of them.
FILE = """
task = "iris"
learning_rates = [0.5, 2.0]
inits = 5
replicas = 1
epochs = 400
targets = [0.5, 0.9]
memory = 1e-4
network = { hidden = [4] }
"""

SRUN = """#!/usr/bin/env bash
# As many tasks as it is told, on this machine, each with its output on that of srun.
while [[ $1 == --* ]]; do
  case $1 in --ntasks=*) tasks=${1#*=} ;; esac
  shift
done
trap 'kill -TERM $(jobs -p)' TERM
for _ in $(seq "$tasks"); do "$@" & done
wait || true
wait
"""
# The command itself, but for the figures, which take longer than all the rest.
CHAOTRAIN = """import sys
from chaotrain import __main__, figures
figures.save_all = lambda *arguments: []
sys.exit(__main__.main())
"""
SCONTROL = """#!/usr/bin/env bash
echo "$@" >> scontrol.txt
"""


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_passes_the_linter(name: str) -> None:
    beside = Path(sys.executable).with_name("shellcheck")
    linter = beside if beside.exists() else shutil.which("shellcheck")
    if linter is None:
        pytest.skip("needs shellcheck")
    done = subprocess.run([linter, EXAMPLES / name], capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
    assert os.access(EXAMPLES / name, os.X_OK)


@pytest.mark.parametrize(("name", "page"), SCRIPTS.items())
def test_the_guide_quotes_the_script_as_it_is(name: str, page: str) -> None:
    text = (EXAMPLES / name).read_text("utf-8")
    assert f"```bash\n{text}```\n" in (ROOT / "docs" / page).read_text("utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_how_to_use_it(name: str) -> None:
    done = subprocess.run([EXAMPLES / name], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


class Cluster:
    """A folder to run the scripts in, with commands that stand in for SLURM's."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.study = folder, folder / "study"
        # What one process compiles, all others find.
        self.kept = {compiled.VARIABLE: str(programs), **compiled.SETTINGS}
        (folder / "iris.toml").write_text(FILE)
        for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
            (folder / "bin").mkdir(exist_ok=True)
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        (folder / "bin" / "chaotrain").write_text(f"#!{sys.executable}\n{CHAOTRAIN}")
        (folder / "bin" / "chaotrain").chmod(0o755)
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a script in a session of its own, with two processes to compute in."""
        tools = (str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"])
        with (self.folder / "stderr.txt").open("w") as errors:
            process = subprocess.Popen(
                [EXAMPLES / name, *arguments, "iris.toml", "study"],
                cwd=self.folder,
                env=os.environ
                | {"PATH": os.pathsep.join(tools), "TMPDIR": str(self.folder)}
                | {"SLURM_JOB_ID": "17", "SLURM_NTASKS": "2", **self.kept},
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def wait_for_a_tile(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a tile is finished."""
        while not list(self.study.glob("tiles/*.json")):
            assert process.poll() is None, self.errors()
            time.sleep(0.02)

    def errors(self) -> str:
        """What the last script said."""
        return (self.folder / "stderr.txt").read_text()

    def left(self) -> list[str]:
        """Commands that a script has started and that run still."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().decode().split("\0")
                if any(word.startswith(str(self.folder)) for word in words):
                    found.append(" ".join(words))
        return found


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.fixture
def cluster(tmp_path: Path, programs: Path) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    cluster = Cluster(tmp_path, programs)
    yield cluster
    for process in cluster.started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, bytes]:
    """The tiles of the study, computed in this process."""
    (tmp_path / "iris.toml").write_text(FILE)
    tiles = tiny.tiles(runs.run(experiment.load(tmp_path / "iris.toml"), tmp_path / "alone").path)
    assert len(tiles) == 2 * 10
    return tiles


@pytest.mark.slow
def test_a_job_that_is_preempted_goes_back_into_the_queue_and_on_from_there(
    cluster: Cluster, alone: dict[str, bytes]
) -> None:
    process = cluster.start("slurm.sh")
    cluster.wait_for_a_tile(process)
    process.send_signal(signal.SIGTERM)  # as --signal=B:TERM does, to the script alone
    assert process.wait(60) == 143, cluster.errors()
    assert "chaotrain: stopped; what is finished is kept" in cluster.errors()
    assert (cluster.folder / "scontrol.txt").read_text() == "requeue 17\n"
    assert cluster.left() == []
    assert not list(cluster.folder.glob(".chaotrain-*"))
    kept = tiny.kept(cluster.study)
    assert 2 <= len(kept) < len(alone)
    process = cluster.start("slurm.sh")
    assert process.wait(120) == 0, cluster.errors()
    assert tiny.tiles(cluster.study) == alone
    assert tiny.kept(cluster.study).items() >= kept.items()
    assert (cluster.folder / "scontrol.txt").read_text() == "requeue 17\n"
    assert cluster.left() == []

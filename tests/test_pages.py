"""The pages that a reader starts from: their commands, links and code, and how to cite."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import chaotrain as ct
from chaotrain import experiment
from pages import ROOT, blocks, check_commands, check_links

README, USING, CONTRIBUTING = (
    ROOT / name for name in ("README.md", "docs/using.md", "CONTRIBUTING.md")
)
PAGES = [README, USING, CONTRIBUTING]


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) < 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists_with_its_options(page: Path) -> None:
    check_commands(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_repository_leads_somewhere(page: Path) -> None:
    check_links(page)


def test_every_preset_and_task_is_on_the_page() -> None:
    text = USING.read_text("utf-8")
    numbered = {f"figure-{number}" for number in range(6, 15)}
    assert numbered == {name for name in experiment.presets() if name.startswith("figure-")}
    for name in experiment.presets().keys() - numbered:
        assert f"| `{name}` |" in text
    listed = text.split("Tasks: ")[1].split(" are downloaded")[0]
    assert set(re.split(r", |,\n|; | and ", listed)) == ct.tasks.TASKS.keys()


def test_the_experiment_file_of_the_page_is_valid(tmp_path: Path) -> None:
    (text,) = blocks(USING, "toml")
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    loaded = experiment.load(path)
    assert loaded.network.function == "my_module:network"
    assert loaded.task == "measurements.csv"


@pytest.mark.slow
def test_the_python_for_research_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for page in (README, USING):  # the second goes on from the first
        exec(compile(blocks(page, "python")[0], str(page), "exec"), names)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("exponential")
    assert "0.7" in second
    # The slope of the pair's ramp and the exact exponent over the same epochs, about.
    assert abs(float(third) - float(first.split()[1])) < 0.3


@pytest.mark.slow
def test_the_python_for_pytorch_runs(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch", reason="needs chaotrain[torch]")
    torch.manual_seed(0)
    inputs = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())

    def make_model() -> object:
        layers = torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)
        return torch.nn.Sequential(*layers)

    def loss(model, batch):
        inputs, labels = batch
        return torch.nn.functional.cross_entropy(model(inputs), labels)

    model = make_model()
    names: dict[str, Any] = {
        "make_model": make_model,
        "loss": loss,
        "loader": torch.utils.data.DataLoader(data, batch_size=32),
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
    }
    exec(compile(blocks(README, "python")[1], str(README), "exec"), names)
    assert len(capsys.readouterr().out.splitlines()) == 2
    low, high = names["onset"].eta_fastest_interval
    assert low <= names["onset"].eta_fastest <= high


def test_the_citation_is_of_this_version_and_of_the_paper() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert cited["cff-version"] == "1.2.0"
    assert cited["title"] == project["name"]
    assert cited["version"] == project["version"] == ct.__version__
    assert project["license"].startswith(cited["license"])
    assert cited["authors"] == [{"name": "chaotrain developers"}]
    paper = cited["preferred-citation"]
    assert paper["url"] == "https://arxiv.org/abs/2506.08523"
    assert [author["family-names"] for author in paper["authors"]] == [
        "Jiménez-González",
        "Soriano",
        "Lacasa",
    ]
    assert f"[{paper['title']}]({paper['url']})" in README.read_text("utf-8")

"""What `chaotrain.torch` imports, and what it says where a package is not installed; examples."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import chaotrain as ct

EXAMPLES = Path(__file__).parents[1] / "examples"
PACKAGES = {
    "LyapunovCallback": "lightning",
    "LyapunovTrainerCallback": "transformers",
    "OnsetHold": "torch",
    "Twin": "torch",
    "find_onset": "torch",
}


def said(program: str) -> str:
    """What a Python process of its own prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_is_there_and_no_other() -> None:
    assert set(dir(ct.torch)) == set(PACKAGES)
    with pytest.raises(AttributeError, match=r"'chaotrain.torch' has no attribute 'Twins'"):
        ct.torch.Twins  # noqa: B018


@pytest.mark.parametrize("name", PACKAGES)
def test_without_the_package_it_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = PACKAGES[name]
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(vars(ct.torch), name, raising=False)
    message = rf"^chaotrain.torch.{name} needs the package {package}: pip install .*\[{package}\]"
    with pytest.raises(ct.UserError, match=message):
        getattr(ct.torch, name)


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    pytest.importorskip("torch", reason="needs chaotrain[torch]")
    heavy = "{'torch', 'lightning', 'transformers'} & sys.modules.keys()"
    program = f"import sys, chaotrain as ct; ct.torch; print({heavy} or 'none')"
    assert said(program).strip() == "none"
    program = f"import sys, chaotrain as ct; ct.torch.Twin, ct.torch.find_onset; print({heavy})"
    assert said(program).strip() == "{'torch'}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "package"), [("torch_loop", "torch"), ("lightning_callback", "lightning")]
)
def test_examples_run_and_tell_chaos_from_calm(
    name: str, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages, and of settings that suit an example
        pytest.importorskip(package, reason=f"needs chaotrain[{package}]")
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    calm, chaotic = (
        float(re.search(r": (\S+) a step", line)[1])  # type: ignore[index]
        for line in capsys.readouterr().out.splitlines()
    )
    assert abs(calm) < 0.05
    assert chaotic > 0.3

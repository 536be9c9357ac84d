"""The documentation: its code runs, it is complete, and the built pages stand on their own."""

from __future__ import annotations

import contextlib
import html.parser
import inspect
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import chaotrain as ct
from chaotrain import atlas, experiment, figures
from chaotrain.cli import main
from chaotrain.figures.saving import FIGURES
from pages import ROOT, all_blocks, anchors, blocks, check_commands, check_links, execute

DOCS = ROOT / "docs"
# What is written for readers of a checkout goes on from the README: tests/test_pages.py runs it.
ELSEWHERE = {"using.md"}
# What took minutes or hours: its commands are checked, and what they gave lies beside the page.
ON_RECORD = {"gallery.md", *(f"results/{path.name}" for path in (DOCS / "results").glob("*.md"))}
ALL = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
PAGES = {name: path for name, path in ALL.items() if not name.startswith("_build")}
RUN = [name for name in PAGES if name not in ELSEWHERE | ON_RECORD and all_blocks(PAGES[name])]
# Sphinx sets a signature of many lines as a list of definitions without terms.
# Style sheets of a file cannot be fetched by a script, which the checker would try.
AXE = {"preload": False, "rules": {"definition-list": {"enabled": False}}}
# What the command alone calls.
SERVING = {f"chaotrain.anatomy.{name}" for name in ("Dissection", "run", "run_each")}
CHROMIUM = shutil.which("chromium")


def marked(name: str) -> object:
    quick = name.startswith("estimators/")
    return pytest.param(name, marks=[] if quick else pytest.mark.slow)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, from which nothing is left in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    known = dict(ct.distances.DISTANCES)
    yield tmp_path
    ct.distances.DISTANCES.clear()
    ct.distances.DISTANCES.update(known)
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("name", [marked(name) for name in RUN])
def test_the_code_of_a_page_runs_and_prints_what_it_says(name: str, reader: Path) -> None:
    execute(PAGES[name], main)


@pytest.mark.slow
def test_the_jax_part_of_the_practitioners_page_stands_alone() -> None:
    pytest.importorskip("equinox", reason="needs chaotrain[equinox]")
    (own,) = (
        text for text in blocks(PAGES["tutorials/practice.md"], "python") if "equinox" in text
    )
    assert "torch" not in own
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(own, {"__name__": "practice"})
    assert printed.getvalue() == "onset True\n"


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_and_links_of_a_page_lead_somewhere(name: str) -> None:
    check_commands(PAGES[name])
    check_links(PAGES[name])


def test_what_is_not_run_is_little_and_says_why() -> None:
    skipped = [
        (name, block.remark) for name in RUN for block in all_blocks(PAGES[name]) if not block.runs
    ]
    assert all(len(reason.removeprefix("not run: ")) > 5 for _, reason in skipped)
    assert len(skipped) <= 5, skipped


def test_what_is_printed_is_compared(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    with pytest.raises(AssertionError, match="Expected"):
        execute(page, main)


def test_every_figure_is_in_the_gallery() -> None:
    page = DOCS / "gallery.md"
    drawn = {name for name, _, _ in FIGURES} | {
        name.removeprefix("save_").replace("_", "-")
        for name in figures.__all__
        if name.startswith("save_") and name != "save_all"
    }
    assert drawn <= anchors(page)
    text = page.read_text("utf-8")
    for name in atlas.presets():
        if name.startswith("figure-"):
            assert f"`{name}`" in text or f"run {name} " in text
    for name in figures.__all__:
        assert name == "Case" or name.startswith("save_") or f"figures.{name}`" in text


def test_below_every_picture_of_the_gallery_is_its_command() -> None:
    pictures = re.split(r"^\[?!\[", (DOCS / "gallery.md").read_text("utf-8"), flags=re.MULTILINE)
    assert len(pictures) > 20
    for text in pictures[1:]:
        assert "```sh\nchaotrain " in text, text


def test_the_presets_that_the_gallery_runs_exist() -> None:
    from pages import commands

    for program, *words in commands(DOCS / "gallery.md"):
        if program == "chaotrain" and words[0] in ("run", "noise", "anatomy", "onset"):
            changes = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
            if words[1] in experiment.presets().keys() - atlas.presets().keys():
                experiment.load(words[1], changes)
            else:
                assert words[1] in atlas.presets()


class Links(html.parser.HTMLParser):
    """What a page loads, where it leads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.led: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.names |= {found[name] or "" for name in ("id", "name") if name in found}
        if tag == "a":
            self.led.append(found.get("href") or "")
        elif tag != "form":
            self.loaded += [found[name] or "" for name in ("src", "href") if name in found]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built as `make docs` builds it: a warning is an error."""
    pytest.importorskip("sphinx", reason="needs chaotrain[docs]")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    built = subprocess.run([*command, str(DOCS), str(folder)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_the_built_pages_load_nothing_from_elsewhere_and_lead_somewhere(site: Path) -> None:
    pages = {path: Links(path.read_text("utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > len(PAGES)
    for path, page in pages.items():
        for link in page.loaded + page.led:
            parts = urlsplit(link)
            if link in page.led and parts.scheme in ("https", "mailto"):
                continue
            assert not parts.scheme, (path, link)
            assert not parts.netloc, (path, link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), (path, link)
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].names, (path, link)
    for path in site.rglob("*.css"):
        text = path.read_text("utf-8")
        assert "@import" not in text, path
        assert "url(http" not in text.replace('"', "").replace("'", ""), path


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    from sphinx.util.inventory import InventoryFile

    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, path: path)
    known = {name for kind in inventory if kind.startswith("py:") for name in inventory[kind]}
    wanted = {f"chaotrain.{name}" for name in ct.__all__}
    for module in (getattr(ct, name) for name in ct.__all__):
        for name in getattr(module, "__all__", ()) if inspect.ismodule(module) else ():
            # What has a shorter way to it is documented by that.
            full = f"{module.__name__}.{name}"
            wanted.add(f"chaotrain.{name}" if f"chaotrain.{name}" in wanted else full)
    wanted -= SERVING
    assert wanted <= known, wanted - known


REGISTRIES = {
    "networks": [ct.networks.ACTIVATIONS, ct.networks.INITS],
    "tasks": [ct.tasks.TASKS, ct.tasks.DOWNLOADED, ct.tasks.LOSSES],
}


@pytest.mark.parametrize("page", REGISTRIES)
def test_the_reference_has_every_name_of_a_registry(page: str) -> None:
    text = PAGES[f"api/{page}.md"].read_text("utf-8")
    for registry in REGISTRIES[page]:
        assert [name for name in registry if f"``{name}``" not in text] == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_reads_the_pages_without_a_network(site: Path, width: int, scheme: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        for name in ("index", "idea", "gallery", "api/growth", "api/data"):
            page.goto((site / f"{name}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            found = axe.Axe().run(page, options=AXE).response["violations"]
            serious = [v for v in found if v["impact"] in ("serious", "critical")]
            assert not serious, (name, [(v["id"], v["nodes"][0]["html"]) for v in serious])
        browser.close()
    assert all(url.startswith(site.as_uri()) for url in asked), asked
    assert not said

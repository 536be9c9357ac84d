"""How Sphinx builds these pages: `make docs` writes them to docs/_build/html."""

from __future__ import annotations

import sys
from pathlib import Path

import chaotrain

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "chaotrain"
author = "chaotrain developers"
copyright = author
release = version = chaotrain.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "docstrings",
    "mathml",
    "tables",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
napoleon_custom_sections = [("Warns", "returns_style")]
napoleon_use_ivar = True
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"

nitpicky = True
# The types of other packages: their pages are elsewhere, and the build uses no network.
nitpick_ignore_regex = [("py:.*", r"(?!chaotrain\b).*")]

html_math_renderer = "mathml"

html_theme = "furo"
html_title = f"chaotrain {release}"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_js_files = [("pages.js", {"defer": "defer", "priority": 900})]
html_copy_source = False
html_show_sphinx = False
html_permalinks_icon = "#"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#00588c",
        "color-brand-content": "#0067a3",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cc4f0",
        "color-brand-content": "#6bbcec",
    },
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

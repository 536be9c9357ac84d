"""Studies as HTML pages that open without a network: one study whole, or some side by side."""

from chaotrain.report.comparison import Section, render_comparison, section, write_collection
from chaotrain.report.page import render, write

__all__ = ["Section", "render", "render_comparison", "section", "write", "write_collection"]

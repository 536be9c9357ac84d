"""Studies as HTML pages that open without a network: one study whole, or some side by side."""

from chaotrain.report.comparison import render_comparison
from chaotrain.report.page import render, write

__all__ = ["render", "render_comparison", "write"]

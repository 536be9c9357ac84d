"""A study as one HTML page that opens without a network: `report.html` in its directory."""

from chaotrain.report.page import render, write

__all__ = ["render", "write"]

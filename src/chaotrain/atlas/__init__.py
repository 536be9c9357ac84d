"""Many cases of one experiment side by side, and what the paper's claim comes to in each.

A collection is a file of named cases; run, each is an ordinary study in a folder of its own; read
together, they make a figure and a table with a row a case.
"""

from chaotrain.atlas.collection import Case, Collection, Group, load, presets
from chaotrain.atlas.estimates import Estimate
from chaotrain.atlas.folder import Atlas, is_atlas, row_of, run
from chaotrain.atlas.judging import RULE, Claim, claim
from chaotrain.atlas.rows import Row, row
from chaotrain.atlas.scans import is_scan, scan_of

__all__ = [
    "RULE",
    "Atlas",
    "Case",
    "Claim",
    "Collection",
    "Estimate",
    "Group",
    "Row",
    "claim",
    "is_atlas",
    "is_scan",
    "load",
    "presets",
    "row",
    "row_of",
    "run",
    "scan_of",
]

"""Some thousands of damaged and forged files of every kind; `make fuzz` tries a million."""

from __future__ import annotations

import pytest

import fuzz


@pytest.mark.parametrize("name", fuzz.PROPERTIES)
def test_it_is_read_or_refused_in_one_line(name: str) -> None:
    fuzz.tried(name, count=200)

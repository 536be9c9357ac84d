"""A line of the benchmark of scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Line:
    """What was measured, and the bound that it is to keep, if any.

    Attributes:
        what: What it is.
        measured: The number.
        unit: Its unit, in front of which a space belongs, or not.
        least: It is to be this at least.
        most: It is to be this at most.
        note: What else to know.
    """

    HEADER: ClassVar[str] = f"{'':52} {'measured':>12} {'wanted':>12}  verdict"

    what: str
    measured: float
    unit: str
    least: float | None = None
    most: float | None = None
    note: str = ""

    def __str__(self) -> str:
        wanted = verdict = ""
        if self.least is not None:
            wanted = f">= {self.least:g}{self.unit}"
            verdict = "holds" if self.measured >= self.least else "DOES NOT HOLD"
        elif self.most is not None:
            wanted = f"<= {self.most:g}{self.unit}"
            verdict = "holds" if self.measured <= self.most else "DOES NOT HOLD"
        note = f"\n    {self.note}" if self.note else ""
        shown = f"{self.measured:.3g}{self.unit}"
        return f"{self.what:52} {shown:>12} {wanted:>12}  {verdict}{note}".rstrip()

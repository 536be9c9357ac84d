"""The colours of the pages on light and on dark ground: the hues of the figures.

They are Okabe and Ito's, moved so that all have a contrast of 3 to the ground they are drawn on and
text one of 4.5 (WCAG 2.2, AA), and so that readers with any colour vision tell the verdicts apart.
"""

from __future__ import annotations

from chaotrain import schema

# Name: on light ground, on dark ground.
PALETTE = {
    "ground": ("#ffffff", "#16181d"),
    "raised": ("#f5f5f5", "#1f2229"),
    "chosen": ("#e3f0f8", "#22364a"),
    "noted": ("#fdf6e7", "#332a17"),
    "ink": ("#262626", "#e8e8e8"),
    "grey": ("#595959", "#a9adb5"),
    "pale": ("#d7d7d7", "#3a3e46"),
    "blue": ("#0062b0", "#5aa2f5"),
    "sky": ("#3f8fc4", "#8fc7ee"),
    "orange": ("#cc8200", "#ff9f1c"),
    "red": ("#b03a10", "#d8502a"),
    "green": ("#00a060", "#1fe394"),
    "pink": ("#96507f", "#f2b5e6"),
    "dim": ("#454545", "#848484"),
}

VERDICTS = {
    schema.EXPONENTIAL: "blue",
    schema.BOUNDED: "orange",
    schema.SUBEXPONENTIAL: "pink",
    schema.CONTRACTING: "green",
    schema.UNDECIDED: "dim",
    schema.BLOW_UP: "red",
}

# From the bottom up.
PHASES = {
    schema.BEFORE: "pink",
    schema.INSIDE: "orange",
    schema.AT_END: "red",
    schema.AFTER: "blue",
    schema.WITHOUT: "green",
    schema.NEVER: "pale",
}

# Of the bands behind the curves, a quarter opaque.
REGIMES = {
    schema.TOO_SLOW: "ground",
    schema.EXPLOITATION: "blue",
    schema.EXPLORATION_EXPLOITATION: "orange",
    schema.NO_LEARNING: "ink",
}

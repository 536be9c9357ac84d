"""The `Map` protocol, and maps whose exponents are known in closed form."""

from chaotrain.maps.descent import Descent, cubic, quadratic
from chaotrain.maps.iterated import Iterated, henon, linear, logistic, tent
from chaotrain.maps.protocol import (
    Cost,
    Key,
    Map,
    Observables,
    State,
    advance,
    as_key,
    coordinates,
    cost,
    in_float64,
    inspect,
    perturbed,
    replica,
)

__all__ = [
    "Cost",
    "Descent",
    "Iterated",
    "Key",
    "Map",
    "Observables",
    "State",
    "advance",
    "as_key",
    "coordinates",
    "cost",
    "cubic",
    "henon",
    "in_float64",
    "inspect",
    "linear",
    "logistic",
    "perturbed",
    "quadratic",
    "replica",
    "tent",
]

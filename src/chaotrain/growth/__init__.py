"""Growth of a perturbation: from distances d(t) to the exponent Λ, its interval and a verdict."""

from chaotrain.growth.fit import Growth, fit_growth
from chaotrain.growth.tangents import fit_tangent_growth

__all__ = ["Growth", "fit_growth", "fit_tangent_growth"]

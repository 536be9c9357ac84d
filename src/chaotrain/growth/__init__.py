"""Growth of a perturbation: from distances d(t) to the exponent Λ, its interval and a verdict."""

from chaotrain.growth.fit import Growth, fit_growth

__all__ = ["Growth", "fit_growth"]

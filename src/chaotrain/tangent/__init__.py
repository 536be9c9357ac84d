"""The tangent map: exact local rates, finite-time exponents, spectra, and the rescaled pair."""

from chaotrain.statistics.means import correlated_mean
from chaotrain.tangent.growth import FiniteTimeExponent, finite_time_exponent, tangent_growth
from chaotrain.tangent.pair import rescaled_pair
from chaotrain.tangent.products import push, push_all
from chaotrain.tangent.spectrum import kaplan_yorke, lyapunov_convergence, lyapunov_spectrum

__all__ = [
    "FiniteTimeExponent",
    "correlated_mean",
    "finite_time_exponent",
    "kaplan_yorke",
    "lyapunov_convergence",
    "lyapunov_spectrum",
    "push",
    "push_all",
    "rescaled_pair",
    "tangent_growth",
]

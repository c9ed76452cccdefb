"""Verdicts at a chosen error rate: class-conditional conformal prediction (Vovk 2012) on scores of a cross-fit.

Of each class there are the scores of n images, each from a fit that had not seen its family or source. The p-value of a
class says how many of them look as little like it as the image does:

    p_ai(x)   = (1 + #{AI scores <= x}) / (n_ai + 1)
    p_real(x) = (1 + #{real scores >= x}) / (n_real + 1)

A class is in the verdict's set if its p-value is above alpha. If x and the n images are exchangeable, the
set misses the image's own class with a probability of at most alpha, whatever the scores are worth. One
class alone is a verdict, both or none are ``inconclusive``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.fusion.errors import AlphaError, HeadError
from cinemae.verdict import Label

Floats = NDArray[np.float64]
Band = tuple[float, float]


@dataclass(frozen=True)
class Decision:
    """How a probability becomes a verdict.

    Attributes:
        threshold: The caller's threshold, or the head's, which decides nothing where there is an ``alpha``.
        band: At its upper end and above ``ai``, at its lower end and below ``real``, strictly inside
            ``inconclusive``. Both ends are the threshold where the caller gave one.
        alpha: Error rate that the band was made for; None where the caller gave a threshold.
        empty: Whether strictly inside the band neither class fits, rather than both.
    """

    threshold: float
    band: Band
    alpha: float | None = None
    empty: bool = False

    def label(self, probability: float) -> Label:
        """Return the verdict on a probability."""
        low, high = self.band
        if probability >= high:
            return "ai"
        return "real" if probability <= low else "inconclusive"


class Conformal:
    """The probabilities of the images that a head's verdicts are calibrated on.

    Attributes:
        ai: Those of AI-generated images, sorted, shape (n,).
        real: Those of real images, sorted, shape (m,).
    """

    def __init__(self, ai: Floats, real: Floats) -> None:
        """Sort them."""
        self.ai, self.real = np.sort(ai), np.sort(real)

    def p_values(self, probabilities: Floats) -> tuple[Floats, Floats]:
        """Return the p-values of both classes, AI-generated and real.

        Args:
            probabilities: P(AI-generated), any shape.
        """
        below = np.searchsorted(self.ai, probabilities, side="right")
        above = len(self.real) - np.searchsorted(self.real, probabilities, side="left")
        return (1 + below) / (len(self.ai) + 1), (1 + above) / (len(self.real) + 1)

    def decide(self, threshold: float, alpha: float) -> Decision:
        """Return the rule that gives a verdict where one class alone has a p-value above ``alpha``.

        Both ends of the band stay inside where both classes fit: the ends are then the neighbours of
        the outermost scores that do, so that what is strictly inside is what is inconclusive.

        Args:
            threshold: The head's threshold, for the record.
            alpha: The error rate, in (0, 1).

        Raises:
            AlphaError: If there are too few images for it.
        """
        least = float(self.ai[rank(alpha, len(self.ai), "AI-generated") - 1])  # AI-generated from here up
        most = float(self.real[-rank(alpha, len(self.real), "real")])  # real from here down
        if most < least:
            return Decision(threshold, (most, least), alpha, empty=True)
        return Decision(threshold, (math.nextafter(least, -math.inf), math.nextafter(most, math.inf)), alpha)


def check_request(threshold: float | None, alpha: float | None) -> None:
    """Check what a caller asks for; None takes the head's.

    Raises:
        AlphaError: If alpha is no error rate.
        HeadError: If both are given, or the threshold is no probability.
    """
    if threshold is not None and alpha is not None:
        raise HeadError("give a threshold or an alpha, not both: a threshold decides alone")
    if threshold is not None and not 0 < threshold < 1:
        raise HeadError(f"the threshold must lie between 0 and 1, got {threshold}")
    if alpha is not None and not 0 < alpha < 1:
        raise AlphaError(f"alpha must lie between 0 and 1, got {alpha}")


def rank(alpha: float, count: int, name: str) -> int:
    """Return the largest k with k / (count + 1) <= alpha: fewer than k scores at or beyond x rule a class out.

    Args:
        alpha: The error rate, in (0, 1).
        count: Number of images to calibrate on, at least 0.
        name: What they are, for the message.

    Raises:
        AlphaError: If there is none.
    """
    k = math.floor(alpha * (count + 1))
    # The product is rounded, and p-values are compared as they are.
    k += (k + 1) / (count + 1) <= alpha
    k -= k / (count + 1) > alpha
    if k < 1:
        needed, least = math.ceil(1 / alpha - 1 - 1e-9), 1 / (count + 1)
        raise AlphaError(
            f"alpha {alpha:g} needs {needed} {name} images to calibrate on, there are {count}:"
            f" the smallest possible is {_rounded_up(least)}; give more images"
            + (f", or --alpha {_rounded_up(least)}" if count else "")
        )
    return k


def _rounded_up(value: float) -> str:
    """Write a number with four decimals or more, none of them too small."""
    digits = 4 + max(0, -math.floor(math.log10(value)) - 2)
    return f"{math.ceil(round(value * 10**digits, 6)) / 10**digits:g}"

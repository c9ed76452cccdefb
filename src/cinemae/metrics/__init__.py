"""How good scores are: ranking, operating points, calibration and abstention, with bootstrap intervals."""

from cinemae.metrics.evaluate import Scored, evaluate_scores
from cinemae.metrics.schema import EvaluationTable, Figure, GeneratorRow, MeanRow

__all__ = ["EvaluationTable", "Figure", "GeneratorRow", "MeanRow", "Scored", "evaluate_scores"]

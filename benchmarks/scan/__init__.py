"""The benchmark of `cinemae scan`: ``python -m benchmarks.scan``.

What runs is what users run: whole ``cinemae scan`` processes, beside ``Detector.score_many`` in one process
on the same files. They take turns, round after round, and only ratios within a round count.
"""

"""Methods side by side: heads, their parts and ablations, saved heads and baselines, trained and measured alike.

:mod:`cinemae.compare.config` says what a comparison is, :mod:`cinemae.compare.run` carries it out, and
:mod:`cinemae.compare.schema` says what comes of it.
"""

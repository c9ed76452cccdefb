"""Frozen encoders of other people's checkpoints, from a local folder: pixels in, one pooled vector out."""

from cinemae.baselines.encoders.open import Checkpoint, Encoder, MissingLibraryError, find_checkpoint, open_encoder

__all__ = ["Checkpoint", "Encoder", "MissingLibraryError", "find_checkpoint", "open_encoder"]

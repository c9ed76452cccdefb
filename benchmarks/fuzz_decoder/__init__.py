"""Mutated image files through the decoder: every one must become an image or one clear refusal."""

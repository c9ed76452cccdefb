"""Masked autoencoders: the networks, their checkpoints and loaders, and the runtime that scores with them."""

"""Pre-training of the package's own MAEs on photographs: tiles, objective, trainer."""

"""The fusion head: training, calibration, and inference in NumPy."""

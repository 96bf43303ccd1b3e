"""Numbers from arrays, in plain NumPy and SciPy: metrics with their uncertainty, and the fusion of layers."""

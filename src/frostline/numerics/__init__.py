"""Numbers from arrays, in plain NumPy and SciPy: metrics with their uncertainty, the fusion of layers, nearest neighbors."""

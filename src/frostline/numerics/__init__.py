"""Numbers from arrays, in plain NumPy and SciPy: metrics with their uncertainty, fusion of layers, nearest neighbors."""

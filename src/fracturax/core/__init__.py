"""The shared language of all packages: standard library and NumPy only."""

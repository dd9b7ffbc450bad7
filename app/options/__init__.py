"""The command-line options of the entry points, one module each."""

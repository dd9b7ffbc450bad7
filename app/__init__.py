"""Floor 3, wiring only: settings, the installation in use, command-line options, exit codes.

It connects the floors below for the entry points; it does not score, store or render.
"""

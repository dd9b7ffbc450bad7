"""Floor 3, wiring only: settings, the installation in use, command-line options, exit codes.

What is here joins the floors below for the entry points; it scores, stores and renders nothing.
"""

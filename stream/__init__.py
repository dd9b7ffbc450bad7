"""The live path between an audio source and its events: capture, windows, decision, alerts and
sinks.
"""

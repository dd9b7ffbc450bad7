"""The room between a source of sound and its events: capture, windows over time, the decision,
alerts and sinks.
"""

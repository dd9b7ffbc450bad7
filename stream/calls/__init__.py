"""Calls that come in over the network: listeners, and a Source for each track of each call."""

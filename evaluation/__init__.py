"""Offline evaluation: metrics with intervals, reports, comparisons, scoring of corpora and of long
recordings.
"""

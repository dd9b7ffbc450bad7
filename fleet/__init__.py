"""Calls that are taken in on some machines and judged on others, through a broker."""

"""Where weights come from: networks in torch, their training and their export. Never imported by
what listens.
"""

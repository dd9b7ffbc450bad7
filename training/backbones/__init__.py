"""Pretrained networks, cut where they tell synthetic speech best, that turn a block of sound into
features. They are frozen: only a head learns on what they give.
"""

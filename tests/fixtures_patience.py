"""How long tests wait for what comes, so that a test that hangs fails; what works never comes near
it.
"""

PATIENCE_S = 300.0

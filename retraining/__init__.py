"""Learning from labels: eligible clips, refit, gates, shadow mode, promotion and rollback."""

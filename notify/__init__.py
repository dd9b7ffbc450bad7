"""Verdicts go out: webhooks, mail and chat, MQTT, Prometheus, and frames for Pipecat."""

"""Training: networks in torch, their training and their export. Never imported by the live path."""

import os

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read when transformers is imported

"""The networks of the shipped detector as torch modules, their pretraining and warm start."""

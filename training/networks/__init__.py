"""The networks of the shipped detector as torch modules: how they learn and start warm."""

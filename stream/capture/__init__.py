"""Audio input: microphones, files and pipes as sources of numbered chunks."""

"""Where sound enters: microphones, files and pipes as sources of numbered chunks."""

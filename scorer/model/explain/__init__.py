"""What each column contributed to a score. Imported only where explanations are on: its kernels take time to load."""

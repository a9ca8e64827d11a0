"""Files of results: each is written whole, or left as it was."""

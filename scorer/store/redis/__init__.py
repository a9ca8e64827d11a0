"""Redis, with our own reader and writer of its protocol. Only this room imports redis."""

"""Redis on our own connections; the only room that imports redis."""

"""Arrays: compiled loops that numpy cannot express, and the operations on bytes, texts and numbers that rooms share."""

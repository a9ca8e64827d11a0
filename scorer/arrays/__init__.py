"""Arrays: the loops that numpy cannot express, compiled, and the bytes, texts and numbers that they share."""

"""Features: what the plan says of each model column, the keys of a batch, their look-up, and the matrix."""

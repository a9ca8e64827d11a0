"""A replica: the loop that takes each batch from the input topic to a committed offset, and what runs beside it."""

"""Events that were written with another schema."""

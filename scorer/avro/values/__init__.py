"""Single values as bytes, as text and as plain JSON."""

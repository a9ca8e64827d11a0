"""Reading a schema, and which of its fields can be addressed."""

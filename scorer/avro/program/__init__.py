"""From a schema to a program, and the kernel that runs it over the bytes of a batch."""

"""Reads the file of a model, and finds what is wrong with it, without the library that wrote it."""

"""The scripts that people write instead, each complete in its own file, so that they can be read and improved."""

"""What a model learned, as its file says: of its columns, and in which rounds."""

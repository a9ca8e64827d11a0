"""Where the versions of a model are kept, and which one is served."""

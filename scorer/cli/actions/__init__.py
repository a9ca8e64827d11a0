"""The actions of `scorer models` that have a module of their own."""

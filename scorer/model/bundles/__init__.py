"""The files of one version of a model, and how they are verified."""

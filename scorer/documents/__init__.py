"""Documents of users: YAML and JSON read in one way, and what is wrong with them in plain words."""

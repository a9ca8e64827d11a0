"""The types of a schema, their names, and how those of a writer compare with ours."""

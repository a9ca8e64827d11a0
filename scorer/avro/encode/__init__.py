"""Predictions, their explanations, and rows as the model saw them, as Avro."""

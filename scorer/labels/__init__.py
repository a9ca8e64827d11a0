"""Labels: joins what became of the events with the predictions, and measures how good the model is."""

"""Files of events, and of predictions."""

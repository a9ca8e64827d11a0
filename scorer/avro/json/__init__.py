"""Single events and predictions as JSON."""

"""Labels: joins the true outcomes of events with their predictions, and measures how good the model is."""

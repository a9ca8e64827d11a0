"""The group: what its replicas publish for each other, and what they conclude from it: alerts, drift, bad canaries."""

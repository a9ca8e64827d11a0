"""The group: what its replicas tell each other, and what they conclude from it: alerts, drift, and bad canaries."""

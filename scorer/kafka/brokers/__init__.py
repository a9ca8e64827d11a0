"""What the brokers say and are told: topics, groups, and the cluster."""

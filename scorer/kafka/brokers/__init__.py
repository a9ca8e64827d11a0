"""Administration of the brokers: topics, groups, and the cluster."""

"""The consumer: which partitions are ours, where they start, and the records of a batch."""

"""The consumer: the partitions of this replica, their start offsets, and the records of a batch."""

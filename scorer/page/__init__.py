"""What a group of replicas does, live: the records that they tell, one view of them all, and what shows it."""

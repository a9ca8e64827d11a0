"""The live view of a group: the records that its replicas publish, one view of them all, and the pages that show it."""

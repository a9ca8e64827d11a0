"""The producer, and the commits of what it wrote: at-least-once and exactly-once delivery."""

"""What a metric is, where metrics are found, and how they are computed together."""

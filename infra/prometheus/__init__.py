"""What Prometheus asks, and whom."""

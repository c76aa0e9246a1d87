"""What runs in a worker: events in, recommendations out. Never imports torch or infra."""

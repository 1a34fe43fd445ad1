"""Token bucket, circuit breaker, retry and concurrency: what stands around every operation."""

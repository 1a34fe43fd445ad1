"""The rules of `quality.rules`: each looks at batches, and keeps what a slice's state must say."""

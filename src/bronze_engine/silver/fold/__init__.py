"""From records to what stands for a key: pure SQL."""

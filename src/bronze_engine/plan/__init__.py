"""What a run reads, decided before anything is opened."""

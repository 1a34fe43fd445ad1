"""What a person sees while runs are under way."""

"""Files of Bronze as records: cast, judged, and what is kept out of them."""

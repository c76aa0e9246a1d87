"""What is remembered of each user: how it changes (`fold`, `join`) and where it is kept."""

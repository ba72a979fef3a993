"""The clients that people use, as they use them."""

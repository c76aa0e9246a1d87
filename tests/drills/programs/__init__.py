"""Workers that die, sleep or lie at a chosen place; each is run as a program of its own."""

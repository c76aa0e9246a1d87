"""The contract: every message and topic of Tidemill. Imports nothing else of the project."""

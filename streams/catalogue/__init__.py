"""Items, releases and experiments as every worker knows them."""

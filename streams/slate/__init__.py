"""From candidates to a slate: pure rules, seeded by the recommendation's id."""

"""Who owns what, and which answers count. Pure: topics are read by the lane and handed in."""

"""Who owns what, and which answers count. Pure, but for `reader`: topics are read by the lane and
handed in.
"""

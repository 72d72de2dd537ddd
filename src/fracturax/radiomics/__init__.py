"""Numbers that describe the grey values and the shape of a marked region, and learners on them."""

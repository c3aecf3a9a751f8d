"""Training: the loop, one network or several at once, and what is measured and written down on the way."""

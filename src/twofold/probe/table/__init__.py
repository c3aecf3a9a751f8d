"""Facts that a run keeps of its table: which columns answers depend on and how, worst rows, drift between parts."""

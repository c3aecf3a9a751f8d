"""What a run keeps of its table: which columns its answers rest on and how, the worst rows, drift between the parts."""

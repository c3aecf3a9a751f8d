"""What a training, a proof or a walk starts from: an engine, its initial state, the data, and the memory it needs."""

"""PyTorch modules: traced, converted, proved; and written again as a state dict beside a module file."""

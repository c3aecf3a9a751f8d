"""The proof: two engines in lock-step, gradients against central differences, and the cases that rounding decides."""

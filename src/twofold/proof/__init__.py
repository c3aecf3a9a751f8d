"""The proof: two engines in lock-step, gradients against central differences, and where rounding alone decides."""

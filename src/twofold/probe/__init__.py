"""Facts found by asking an engine, live or restored: the walk, decision boundaries, feature maps, the microscope."""

"""Doors: models of other libraries come in with a proof, and a recipe or a run goes out in their formats.

`adopting.adopt` takes a PyTorch module, an ONNX or a Keras file; `exporting.export` writes ONNX, safetensors with
PyTorch's names, NumPy's .npz and what trackers read; `eject` writes a network as plain scripts.
"""

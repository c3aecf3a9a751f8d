"""ONNX files: written with `onnx.helper`, and read as untrusted ones, node by node."""

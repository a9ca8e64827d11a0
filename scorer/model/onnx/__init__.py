"""ONNX graphs, scored by ONNX Runtime, which is an extra."""

"""The parts that `pulsar2.onnx_import` and `pulsar2.onnx_export` are made of."""

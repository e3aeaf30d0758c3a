"""How far a quantized graph is from the float one, layer by layer: `quant.precision_analysis`."""

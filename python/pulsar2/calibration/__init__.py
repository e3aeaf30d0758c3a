"""Calibration: which ranges the tensors of a float model take on a data set.

`dataset` reads the data, `observed_model` runs the model, `calibrate` writes what was observed into
the IR.
"""

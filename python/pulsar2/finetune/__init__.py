"""Fine-tuning of a quantization, block by block: AdaRound, LSQ and BRECQ.

torch is an optional dependency (`pulsar2[finetune]`). Only the modules that compute with it import
it, and they are imported only where a fine-tuning runs; `availability` and `tuned` do without it.
"""

"""Embedders without PyTorch: what a pack carries, so that a scorer needs onnxruntime, or only numpy, and tokenizers.

    carried     the files of an embedder in a pack, and opening them
    tokens      texts to token numbers
    onnx        the transformer, exported, on onnxruntime
    static      one vector a token, summed

Made at `pack build`, where PyTorch is at hand:

    export      a sentence-transformers model to ONNX
    rowwise     its matrix products in 8-bit integers, every token with a scale of its own
    precision   8 bits where that keeps the neighbours, else the floats
    distil      a static model from the same transformer
"""

"""Embedders without PyTorch, bundled in a pack: a scorer needs onnxruntime and tokenizers, or only numpy and
tokenizers.

    bundled      files of an embedder in a pack, and opening them
    tokenizer    texts to token ids
    onnx         the exported transformer on onnxruntime
    static       one vector per token, summed

Created by `pack build`, with PyTorch:

    export       a sentence-transformers model as ONNX, quantized where that keeps the neighbours
    int8_matmul  its matrix products in 8-bit integers, with one scale per token
    distil       a static model from the same transformer
"""

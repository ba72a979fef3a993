"""LLM routing with benchmark datasets (Shnitzer et al., 2023, arXiv 2309.15789): numpy in, decisions out.

The library has no HTTP, no database and no clock. Its modules, in the order of the paper:

    arrays             array types and shape checks
    errors             error tree of the library
    parallel           blocks of a computation in several threads
    bounded            archives and JSON that others made, read within limits
    bounded_arrays     arrays that others made, no larger than their bytes
    bounded_tables     parquet files that others made, in pieces
    benchmark          inputs, datasets, models, outcomes; best on average
    averages           averages over datasets, estimated where outcomes are missing
    tidy               benchmark folder on disk, read and written
    outcome_rows       rows of outcomes to matrices, with their faults
    embedder           texts to unit vectors, and a cache of embeddings
    limit              sample of a benchmark folder, to try a build on
    neighbours/        nearest benchmark inputs by cosine distance: exact, and HNSW
    predictor          g and g_bar, the correctness predictors             eq. 7, 2
    mlp                multi-layer perceptron, the other predictor         appendix C.1
    scores             S1, S2, S3                                          eq. 1, 2, 5
    task               task state as sums, and its scores
    input_sample       inputs of a large benchmark that calibration and evaluation measure on
    calibration        distance u, pairs (u, p), kernel smoother           eq. 8, 9, 10
    atc                average thresholded confidence, another estimate of p
    confidence         exact P(S~(a) > S~(b))                              eq. 6
    decision           chosen model and the reason for it                  eq. 6
    counterfactual     what would change a decision, and the runner-up
    auto/              the score `auto`: nearness to whole datasets
    adaptive_sampling  share of a task's inputs that are embedded

A benchmark made ready to route with:

    input_index        input ids and text digests of a pack
    manifest           identity and contents of a pack
    projection         inputs as points in a plane
    report             leave-one-dataset-out result of a pack
    recommendation     score that a pack's report recommends
    gain_summary       report of a pack in one sentence
    atomic_swap        atomic exchange of two paths
    pack_arrays        forms of a pack's large arrays on disk
    pack               pack files, saved and opened
    build              benchmark to pack
    router             opened pack: a task's inputs in, a decision out
    agreement          equal decisions under two embeddings of the same inputs
    embedders/         embedders without PyTorch, bundled in a pack
    new_model/         pack with one more model, measured on some inputs
    evaluation/        every system of the paper, leave-one-dataset-out
    curation/          benchmarks selected, described and merged
    importing/         results of other evaluation tools
"""

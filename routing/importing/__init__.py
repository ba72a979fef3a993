"""Other tools' results for every question, as a benchmark in the tidy format (routing.tidy says what that is).

    formats       the formats by name
    record        what readers give: records, refusals, remarks
    run           from a reader's sources to a folder, and what came of it
    writer        the folder, written record by record
    column        one model's outcomes on a pack's inputs
    streams       files gone through piece by piece
    fields        what a field of somebody else's row may hold
    helm, lm_eval with samples, leaderboard, routerbench with frames, mixinstruct, inspect_logs, tables: the readers

In a notebook:

    from routing.importing.formats import reader
    from routing.importing.record import Options
    from routing.importing.run import Settings, import_results

    sources = reader("lm-eval")(Path("results"), Options(metric="acc_norm"))
    summary = import_results(sources, Path("results"), Path("my-benchmark"), Settings())
"""

"""Tests of benchmarks: that programs run and measure what they claim, not how fast anything is.

conftest          a small benchmark on disk, an embedder of letters
small_gateway     a gateway that is the library behind HTTP
test_hot_path     CPU without sockets
test_lm_eval_run  the runner of lm-evaluation-harness
test_replay       the replay
test_speed        the speed benchmark, with nginx and without
"""

"""The command line `benchroute`: one module per command or group of commands.

app           every command
programs      `serve` and `scorer` without the others
init          create a configuration from the providers that are available
doctor        check a setup and suggest fixes
serve         run a gateway, or a scorer
state         backup of a SQLite state, and its return
config        check a configuration, convert litellm's, look up prices
tasks         tasks of a running gateway
task_changes  names, merges, pins and deletion of tasks
labels        label suggestions and labels of a task
judge         labels of a task by a judge model
judge_inputs  its inputs, from a file or the gateway
judge_report  its report
tail          decisions of a running gateway as they are made
usage         history by time or by name
requests      the request log of a running gateway
request_views  its rows and one request, on a terminal
dead_letters  observations that scorers moved to the dead-letter list
keys          client keys of a running gateway
import_options  options of `import`, and their values
import_results  other tools' results as a benchmark
staged_import  models and datasets of an import selected, or added to a benchmark
evals         a benchmark of your own models
benchmark     merge benchmarks, show one
pack          build, inspect, verify, distribute packs
models        add a model to a pack
evaluate      measure routing on a benchmark
regime_tables  an evaluation by regime as tables and verdicts
route         decide on inputs with a pack, without a gateway
coverage      coverage of benchmarks and packs, in words and tables
selection     options that select models and datasets
price_list    list prices: litellm's, and the shipped ones
catalogue     known models, from litellm's price list
inputs        a task's inputs from a file or standard input
load_embedder  embedders, and the embedding cache
option_groups  dataclasses of options
follow        one answer after the other, over restarts
client        HTTP client for a running gateway
probe         model lists of OpenAI-compatible endpoints
terminal      tables, notes, progress
narrow_help   help in narrow terminals
errors        error tree, messages and exit codes

No module imports numpy or torch before a command needs them: `benchroute serve` starts without.
"""

import sys

from gateway.processes.init_process import fork_under_init


def main() -> None:
    """Run the command line; the console script's entry point."""
    fork_under_init()
    from gateway.cli.programs import PROGRAMS, make_programs_app

    if sys.argv[1:2] and sys.argv[1] in PROGRAMS:
        make_programs_app()(prog_name="benchroute")
    from gateway.cli.app import app

    app(prog_name="benchroute")

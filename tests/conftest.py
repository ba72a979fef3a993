import os
import signal

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the tests' embedder is installed; whatever is not must fail at once

# Started in a shell's background, the tests inherit an ignored SIGINT, and so would the programs that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

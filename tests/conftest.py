import os
import signal

from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the tests' embedder is installed; whatever is not must fail at once
# Two workers share the processors, and threads that wait for each other on a busy one burn a third of the tests' time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Started in a shell's background, the tests inherit an ignored SIGINT, and so would the programs that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is: pytest's timeout ends what hangs.
settings.register_profile("benchroute", deadline=None)
settings.load_profile("benchroute")

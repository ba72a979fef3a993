import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the tests' embedder is installed; whatever is not must fail at once

"""What labels and feedback are worth, and which labels: measured on benchmarks with every dataset held out in turn."""

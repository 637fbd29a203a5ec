"""Checks of finished corpora. Shares no code with the sampler: what a row
must look like is written down a second time here, on purpose."""

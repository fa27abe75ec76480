"""The chapters, each telling one part of the job and proving what it tells."""

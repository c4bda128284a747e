"""An app to be called by the command line."""

from benchmarks.programs.ours_call import echo_app

app = echo_app()

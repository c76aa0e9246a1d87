"""`python -m infra.cli` is `tidemill`, for a checkout that is not installed."""

from infra.cli.main import app

app(prog_name="tidemill")

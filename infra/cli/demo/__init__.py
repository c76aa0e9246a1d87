"""The whole way of Tidemill on real data, in a few minutes: `python -m infra.cli.demo`."""

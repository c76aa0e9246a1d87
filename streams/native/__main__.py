"""`python -m streams.native`: compile what is compiled here; called by `make install`."""

from streams.native.build import main

main()

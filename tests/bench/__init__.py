"""Numbers next to the peers', as ratios within one run: `make bench`, `make bench QUICK=1`."""

"""Networks, their bundles, and the runtime that reads with them."""

"""Models in folders and on the Hub: found, checked, built, asked, written, published."""

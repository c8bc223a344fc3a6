"""A run as one page that a person can open anywhere: no other file, no address, light or dark, wide or narrow.

`media` turns raw values into HTML, `charts` measurements into SVG, `page` puts them together.
"""

"""`card.html`: one page that shows what a data set holds and how it was made.

`page.render` is pure; `samples` alone reads the data set; `card.write_card` joins the two.
"""

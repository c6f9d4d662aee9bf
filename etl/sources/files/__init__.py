"""Files below a folder, and archives: finding and naming them."""

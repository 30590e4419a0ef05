"""Where models are kept between machines, one file each: no other room knows them."""

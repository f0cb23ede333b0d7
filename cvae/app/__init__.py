"""A page to draw on: `cvae app`. A file a tab; `studio` keeps what is loaded, `limits` what a person may ask for."""

"""What is done to images before a model sees them, as data that travels and replays."""

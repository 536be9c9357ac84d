"""The onset finder: where chaos sets in as the learning rate grows, and which rate to train at."""

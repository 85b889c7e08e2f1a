"""The routes, a file a topic; each says which roles it is for."""

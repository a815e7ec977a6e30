"""Media: an uploaded file becomes a playable, published video.

Belongs here: everything between the landing area and silver.videos. Sounds, pictures and words inside a video are
described by later jobs of this room; who watched it is jobs/events.
"""

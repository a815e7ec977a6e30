"""The web player: a page at `/` on which people watch their feed, and what rises.

Belongs here: the page (app/, plain JavaScript modules and a style sheet) and serving it (page.py). It asks the same
routes as any other client. The one script that is not ours, hls.js, is fetched into app/vendor/: jobs/host/npm.py.
"""

"""The pages that tell people of tables and jobs, derived from contracts, declarations and the record of runs.

Belongs here: a static site that needs no server and no network: what is gathered (facts.py), what stands on a page
(pages.py), pictures (pictures.py), its looks and its search (style.css, site.js). The command: contracts docs.
"""

"""Which published protocols there are.

Belongs here: the list.
"""

from jobs.evaluation.published.published import Published
from jobs.evaluation.published.vk_lsvd import VK_LSVD
from jobs.evaluation.published.yambda import YAMBDA

PUBLISHED: dict[str, Published] = {one.name: one for one in (YAMBDA, VK_LSVD)}

"""The names that a notebook imports from here, and where they are; ``__init__.py`` reads this file, too."""

from workshop_lib.checks.exercise import check as check
from workshop_lib.checks.exercise import hint as hint
from workshop_lib.evidence.history import history as history
from workshop_lib.views.chart import lines as lines
from workshop_lib.views.chat.chat import chat as chat
from workshop_lib.views.comparison import comparison as comparison
from workshop_lib.views.desk import desk as desk
from workshop_lib.views.hops import hops as hops
from workshop_lib.views.lanes import lanes as lanes
from workshop_lib.views.overview import overview as overview
from workshop_lib.views.panel import panel as panel
from workshop_lib.views.plumbing import plumbing as plumbing
from workshop_lib.views.predict import predict as predict
from workshop_lib.views.source import source as source
from workshop_lib.views.table import table as table
from workshop_lib.views.timeline import timeline as timeline
from workshop_lib.views.topology import topology as topology
from workshop_lib.views.where import where as where
from workshop_lib.workers.background import run as run
from workshop_lib.workshop import Workshop as Workshop

LOOPBACK: tuple[str, ...]

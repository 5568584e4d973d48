"""Results as figures and as one self-contained page; the figures are pure functions, usable in notebooks too."""

from eigentrail.report.comparison import comparison_page as comparison_page
from eigentrail.report.inspection import inspection_page as inspection_page
from eigentrail.report.notebook import FigureBook as FigureBook
from eigentrail.report.notebook import comparison_figures as comparison_figures
from eigentrail.report.notebook import inspection_figures as inspection_figures
from eigentrail.report.page import render as render
from eigentrail.report.page import write_page as write_page
from eigentrail.report.tables import table_html as table_html

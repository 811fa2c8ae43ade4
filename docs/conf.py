"""Sphinx configuration. Builds without the network: no intersphinx, no remote figures."""

import sys
from pathlib import Path

import torch

import skrouter

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skrouter"
author = "the skrouter developers"
project_copyright = f"2026, {author}"
release = version = skrouter.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "rooms",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
# As in scikit-learn: a name between single backticks is code.
default_role = "literal"

# -- API reference ---------------------------------------------------------------------------------

autosummary_generate = True
autodoc_default_options = {"members": True, "inherited-members": True}
# A public method without a docstring shall show as such.
autodoc_inherit_docstrings = False
FOREIGN_MEMBERS = {*dir(torch.nn.Module), *dir(tuple), *dir(dict)}
# Methods are listed by the class template.
numpydoc_show_class_members = False
# Every parameter is documented, and no other (PR01, PR02); in the order of the signature (PR03).
numpydoc_validation_checks = {"PR01", "PR02", "PR03"}
# What users are given and never make is documented by its attributes.
numpydoc_validation_exclude = {r"\.TradeOffForecast", r"\.LogSummary", r"\.RoutingLog"}


def skip_foreign_members(app, what, name, obj, skip, options):
    """Leave out what scikit-learn, torch and tuples add to every class: it is documented there."""
    module = getattr(obj, "__module__", None)
    if module is None:  # an attribute, or a method written in C
        return True if name in FOREIGN_MEMBERS else None
    return True if module.split(".")[0] in {"sklearn", "torch"} else None


def setup(app):
    app.connect("autodoc-skip-member", skip_foreign_members)


# -- Gallery ---------------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # Every example is run, whatever its name.
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skrouter",),
    "capture_repr": ("_repr_html_", "__repr__"),
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "plot_gallery": "True",
}

# -- HTML ------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "skrouter"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
}

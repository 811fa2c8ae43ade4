"""Sphinx configuration. Builds without the network: no intersphinx, no remote figures."""

import sys
from pathlib import Path

import torch
from sphinx_gallery.sorting import ExplicitOrder

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
    # MathJax as files of this site: formulas look the same everywhere, also without the network.
    # MathML, the alternative without scripts, needs a mathematical font on the reader's machine.
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
    "sphinx_design",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "rooms",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
# Prompts and output are not copied, and output of the gallery has no button.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_selector = "div:not(.sphx-glr-script-out) > div.highlight pre"

plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_formats = [("png", 150)]
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
    # By task; the quick start, which is in no subfolder, comes first.
    "subsection_order": ExplicitOrder(
        [f"../examples/{task}" for task in ("data", "cost", "compare", "serve")]
    ),
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skrouter",),
    "capture_repr": ("_repr_html_", "__repr__"),
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    # Pages of times fetch scripts from elsewhere.
    "write_computation_times": False,
    "show_signature": False,
    "plot_gallery": "True",
}

# -- HTML ------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"skrouter {version}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["skrouter.css"]
html_favicon = "_static/logo.svg"
REPOSITORY = "https://github.com/skrouter/skrouter"
html_theme_options = {
    "logo": {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
        "text": html_title,
    },
    "icon_links": [
        {"name": "Source", "url": REPOSITORY, "icon": "fa-brands fa-github"},
        {"name": "Issues", "url": f"{REPOSITORY}/issues", "icon": "fa-solid fa-circle-question"},
    ],
    "header_links_before_dropdown": 5,
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "show_toc_level": 2,
}
html_context = {"default_mode": "auto"}
# Pages without pages below them have nothing to show beside them.
ALONE = ("index", "getting_started", "method", "architecture", "contributing", "changelog")
html_sidebars = {page: [] for page in ALONE}

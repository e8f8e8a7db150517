"""The look of all figures: colours that everybody can tell apart, and small margins."""

from typing import Any

from plotly import graph_objects

#: Okabe and Ito's palette, which colour-blind people can tell apart
#: (https://jfly.uni-koeln.de/color/).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")

_HEIGHT = 320


def figure(*traces: Any, **layout: Any) -> graph_objects.Figure:
    """Returns a figure in the project's style.

    Args:
        *traces: plotly's traces.
        **layout: plotly's layout, over the style's own.
    """
    made = graph_objects.Figure(data=list(traces))
    made.update_layout(
        template="plotly_white",
        colorway=COLOURS,
        font={"family": "system-ui, sans-serif", "size": 13},
        height=_HEIGHT,
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
    )
    made.update_layout(**layout)
    made.update_xaxes(automargin=True)
    made.update_yaxes(automargin=True)
    return made

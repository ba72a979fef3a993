"""Write the reference pages and the picture of the architecture."""

from docs.tables.architecture import FIGURE, draw_architecture
from docs.tables.pages import FOLDER, GENERATORS, render_page

for name in GENERATORS:
    (FOLDER / name).write_text(render_page(name), encoding="utf-8")
    print(f"docs/reference/{name}")
FIGURE.write_text(draw_architecture(), encoding="utf-8")
print("docs/figures/architecture.svg")

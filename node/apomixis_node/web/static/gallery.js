// The gallery: one tile a picture, with its colour and placeholder until the thumbnail is there.

import * as memory from "./memory.js";
import { pathOf, originalPath } from "./urls.js";

/** How many copies stand, and where, in one sentence. */
export function copies(picture) {
  const count = `${picture.nodes.length} ${picture.nodes.length === 1 ? "copy" : "copies"}`;
  return picture.satisfied
    ? `${count}: ${picture.nodes.join(", ")}`
    : `${count} when uploaded, more on their way: ${picture.nodes.join(", ")}`;
}

/** Colour and placeholder behind an image that is still loading. */
export function underlay(element, picture) {
  element.style.backgroundColor = /^#[0-9a-f]{6}$/.test(picture.color ?? "") ? picture.color : "";
  element.style.backgroundImage = /^data:image\/webp;base64,[\w+/=]+$/.test(picture.placeholder ?? "")
    ? `url("${picture.placeholder}")` : "";
}

/** Returns draw(). `open(picture)` is called when a tile is chosen. */
export function gallery({ site, section, tiles, template, forgetAll, open, say }) {
  function tileOf(picture) {
    const item = template.content.firstElementChild.cloneNode(true);
    const image = item.querySelector("img");
    const thumb = item.querySelector(".thumb");
    underlay(thumb, picture);
    // Where URLs are signed a thumbnail's can't be made up, so the placeholder is what there is.
    if (!site.signed) show(image, thumb, picture);
    else image.remove();
    item.querySelector(".tile-name").textContent = picture.name;
    item.querySelector(".tile-facts").textContent = `${picture.width} × ${picture.height}`;
    const stand = item.querySelector(".tile-copies");
    stand.textContent = copies(picture);
    stand.classList.toggle("whole", picture.satisfied);
    item.firstElementChild.dataset.hash = picture.hash;
    item.firstElementChild.addEventListener("click", () => open(picture));
    return item;
  }

  function show(image, thumb, picture) {
    image.addEventListener("load", () => thumb.classList.add("shown"));
    image.addEventListener("error", () => {
      image.remove();
      thumb.textContent = "Can’t be shown now";
    });
    image.src = site.thumbnail === "full" ? originalPath(picture) : pathOf(picture, site.thumbnail, "auto");
  }

  function draw() {
    section.hidden = memory.all().length === 0;
    const drawn = new Map([...tiles.children].map((item) => [item.firstElementChild.dataset.hash, item]));
    tiles.replaceChildren(...memory.all().map((picture) => drawn.get(picture.hash) ?? tileOf(picture)));
  }

  twice(forgetAll, "Really forget?", () => {
    memory.forgetAll();
    draw();
    say("The list is empty. The pictures stay in the cluster.");
  });
  memory.watch(draw);
  return draw;
}

/** A button whose deed can't be undone asks once more. */
function twice(button, question, deed) {
  const first = button.textContent;
  const calm = () => { button.textContent = first; };
  button.addEventListener("blur", calm);
  button.addEventListener("click", () => {
    if (button.textContent !== question) {
      button.textContent = question;
      return;
    }
    calm();
    deed();
  });
}
